/**
 * @file The demo page in a real browser, against a real server, used as a person would use it.
 */

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";

import { newTenant } from "./support/agent.mjs";
import { launch, noComplaints, visit } from "./support/browser.mjs";
import { Demo } from "./support/demo.mjs";
import { Server } from "./support/server.mjs";
import { untilEqual } from "./support/until.mjs";

/** @import {Browser, BrowserContext, Page} from "playwright-core" */

const restarts = Server.owned ? {} : { skip: "needs PARLOR_BIN: this server cannot be stopped" };

/** @type {Server} */
let server;
/** @type {Browser} */
let browser;

before(async () => {
  server = await Server.begin();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.end();
});
afterEach(noComplaints);

/**
 * Opens the demo page and waits until both sides are connected.
 *
 * @param {BrowserContext} context
 * @param {string} tenantId
 * @param {(page: Page) => Promise<unknown>} [prepare]
 */
async function open(context, tenantId, prepare) {
  const demo = new Demo(await visit(context, `${server.url}/demo/?tenantId=${tenantId}`, prepare));
  await demo.both("online");
  return demo;
}

/**
 * Runs `body` with a browser profile of its own: another visitor.
 *
 * @param {(context: BrowserContext) => Promise<void>} body
 */
async function withVisitor(body) {
  const context = await browser.newContext();
  try {
    await body(context);
  } finally {
    await context.close();
  }
}

test("both sides connect, and each message is there once on each", () =>
  withVisitor(async (context) => {
    const demo = await open(context, newTenant());
    assert.deepEqual(await demo.texts("visitor"), []);
    await demo.write("visitor", "Hello?");
    await demo.bothShow(["Hello?"]);
    await demo.write("agent", "Good day!");
    await demo.bothShow(["Hello?", "Good day!"]);
    await demo.write("visitor", "the same again");
    await demo.write("visitor", "the same again");
    await demo.bothShow(["Hello?", "Good day!", "the same again", "the same again"]);
  }));

test("without a tenant in its address the page is tenant demo's", () =>
  withVisitor(async (context) => {
    const demo = new Demo(await visit(context, `${server.url}/demo/`));
    await demo.both("online");
    const text = `of a first minute, ${newTenant()}`;
    await demo.write("visitor", text);
    await demo.shows("visitor", [text]);
    const beside = demo.page.getByRole("navigation").getByRole("button", { name: "on this page" });
    await untilEqual("the inbox has it", () => beside.locator(".preview").allTextContents(), [
      text,
    ]);
  }));

test("a reload keeps the history on both sides", () =>
  withVisitor(async (context) => {
    const demo = await open(context, newTenant());
    await demo.write("visitor", "one");
    await demo.shows("agent", ["one"]);
    await demo.write("agent", "two");
    await demo.bothShow(["one", "two"]);
    await demo.page.reload();
    await demo.both("online");
    await demo.bothShow(["one", "two"]);
    await demo.write("visitor", "three");
    await demo.bothShow(["one", "two", "three"]);
  }));

for (const signal of /** @type {const} */ (["SIGTERM", "SIGKILL"])) {
  test(
    `a restart after ${signal}: both sides show it and come back, drafts arrive once`,
    restarts,
    () =>
      withVisitor(async (context) => {
        const demo = await open(context, newTenant());
        await demo.write("visitor", "before");
        await demo.bothShow(["before"]);
        await server.stop(signal);
        try {
          await untilEqual(
            "the visitor sees it",
            async () => (await demo.state("visitor")) === "online",
            false,
          );
          await untilEqual(
            "the agent sees it",
            async () => (await demo.state("agent")) === "online",
            false,
          );
          await demo.write("visitor", "typed while the server was down");
          await demo.write("visitor", "and one more");
          assert.deepEqual(await demo.pending("visitor"), [
            "typed while the server was down",
            "and one more",
          ]);
        } finally {
          await server.start();
        }
        await demo.both("online");
        const all = ["before", "typed while the server was down", "and one more"];
        await demo.bothShow(all);
        await demo.write("agent", "welcome back");
        await demo.bothShow([...all, "welcome back"]);
        await demo.page.reload();
        await demo.both("online");
        await demo.bothShow([...all, "welcome back"]);
      }),
  );
}

test("an agent's answer typed while the server is down arrives once", restarts, () =>
  withVisitor(async (context) => {
    const demo = await open(context, newTenant());
    await demo.write("visitor", "question");
    await demo.bothShow(["question"]);
    await server.stop("SIGKILL");
    try {
      await demo.write("agent", "answer");
      assert.deepEqual(await demo.pending("agent"), ["answer"]);
    } finally {
      await server.start();
    }
    await demo.bothShow(["question", "answer"]);
  }),
);

test("a draft outlives the page it was typed on", restarts, () =>
  withVisitor(async (context) => {
    const tenantId = newTenant();
    const demo = await open(context, tenantId);
    await server.stop("SIGKILL");
    try {
      await demo.write("visitor", "typed, and the tab closed");
      assert.deepEqual(await demo.pending("visitor"), ["typed, and the tab closed"]);
      await demo.page.close();
    } finally {
      await server.start();
    }
    await (await open(context, tenantId)).bothShow(["typed, and the tab closed"]);
    await (await open(context, tenantId)).bothShow(["typed, and the tab closed"]);
  }),
);

test("markup is shown as text", () =>
  withVisitor(async (context) => {
    const demo = await open(context, newTenant());
    const odd = [
      '<img src=x onerror="alert(1)"><script>alert(2)</script>',
      "<b>bold</b> &amp; [link](javascript:alert(3))",
      "שלום \u{202e}abc\u{202c} 👩‍👩‍👧‍👦",
    ];
    for (const text of odd) await demo.write("visitor", text);
    await demo.bothShow(odd);
    assert.equal(await demo.page.locator("main img, main b, main script").count(), 0);
  }));

test("two tabs show each message once", () =>
  withVisitor(async (context) => {
    const tenantId = newTenant();
    const one = await open(context, tenantId);
    const other = await open(context, tenantId);
    await one.write("visitor", "from the first tab");
    await Promise.all([
      one.bothShow(["from the first tab"]),
      other.bothShow(["from the first tab"]),
    ]);
    await other.write("visitor", "from the second");
    await one.write("agent", "to both");
    const last = ["from the second", "to both"];
    await untilEqual(
      "the other tab has them",
      async () => (await other.texts("visitor")).slice(1).sort(),
      last,
    );
    const all = await other.texts("visitor");
    await Promise.all([one.bothShow(all), other.bothShow(all)]);
  }));

test("visitors are apart, and the agent answers the one that was chosen", () =>
  withVisitor((first) =>
    withVisitor(async (second) => {
      const tenantId = newTenant();
      const one = await open(first, tenantId);
      await one.write("visitor", "I am one");
      await one.bothShow(["I am one"]);
      const two = await open(second, tenantId);
      await two.write("visitor", "I am two");
      await two.shows("visitor", ["I am two"]);
      await one.page.locator(".inbox button", { hasText: "I am two" }).click();
      await one.shows("agent", ["I am two"]);
      await one.write("agent", "to two");
      await two.shows("visitor", ["I am two", "to two"]);
      await one.page.locator(".inbox button", { hasText: "I am one" }).click();
      await one.shows("agent", ["I am one"]);
      await one.write("agent", "to one");
      await one.bothShow(["I am one", "to one"]);
      assert.deepEqual(await two.texts("visitor"), ["I am two", "to two"]);
    }),
  ));

test("older messages can be asked for, and come before the rest", () =>
  withVisitor(async (context) => {
    const tenantId = newTenant();
    const demo = await open(context, tenantId);
    const all = Array.from({ length: 60 }, (_, n) => `number ${n}`);
    for (const text of all) await demo.write("visitor", text);
    await demo.shows("visitor", all);
    await demo.page.reload();
    await demo.both("online");
    await demo.shows("visitor", all.slice(-50));
    await demo.page.locator("#visitor .older").click();
    await demo.shows("visitor", all);
    await untilEqual(
      "nothing more is offered",
      () => demo.page.locator("#visitor .older").isVisible(),
      false,
    );
  }));

test("what history brings late after a gap stands where it was said", () =>
  withVisitor(async (context) => {
    let forged = false;
    let down = false;
    /** @type {import("playwright-core").WebSocketRoute | undefined} */
    let visitor;
    const demo = await open(context, newTenant(), async (page) => {
      await page.routeWebSocket(/\/ws\/chat/, (socket) => {
        const server = socket.connectToServer();
        visitor = socket;
        const forge = (/** @type {string} */ data) =>
          data.replace(/"since":"[^"]*"/, '"since":"forged"');
        socket.onMessage((data) => server.send(forged ? forge(String(data)) : data));
      });
      const error = {
        code: "unavailable",
        message: "down",
        retryable: true,
        retryAfterMs: 200,
        requestId: "r",
      };
      await page.route("**/api/chat/messages*", (route) =>
        down ? route.fulfill({ status: 503, json: { error } }) : route.fallback(),
      );
    });
    await demo.write("visitor", "one");
    await demo.bothShow(["one"]);
    [forged, down] = [true, true];
    visitor?.send('{"type":"reconnect","afterMs":2000,"code":4001}');
    await visitor?.close({ code: 4001 });
    await demo.write("agent", "missed");
    await demo.shows("agent", ["one", "missed"]);
    await demo.both("online");
    await demo.write("agent", "live");
    await demo.shows("visitor", ["one", "live"]);
    down = false;
    await demo.bothShow(["one", "missed", "live"]);
  }));

test("without development mode the agent's panel says so, and the visitor's works", () =>
  withVisitor(async (context) => {
    const demo = new Demo(
      await visit(context, `${server.url}/demo/?tenantId=${newTenant()}`, (page) =>
        page.route("**/demo/agent-token*", (route) => route.fulfill({ status: 404, body: "" })),
      ),
    );
    await demo.both("online", ["visitor"]);
    await demo.both("closed", ["agent"]);
    const notice = demo.page.locator("#agent .notice");
    await untilEqual(
      "it says why",
      async () => /not in development mode/.test(await notice.innerText()),
      true,
    );
    await demo.write("visitor", "all the same");
    await demo.shows("visitor", ["all the same"]);
  }));

test("the page's policy allows nothing from elsewhere and nothing inline", async () => {
  const response = await fetch(`${server.url}/demo/`);
  const policy = response.headers.get("Content-Security-Policy") ?? "";
  assert.match(policy, /default-src '(self|none)'/);
  const allowed = policy.split(/[\s;]+/).filter((word) => /^'|:|\*|\./.test(word));
  assert.deepEqual(
    allowed.filter((word) => !["'self'", "'none'", "data:"].includes(word)),
    [],
  );
});

test("everything can be reached and named without a mouse or a screen", () =>
  withVisitor(async (context) => {
    const demo = await open(context, newTenant());
    await demo.page.getByLabel("Write as the visitor").focus();
    await demo.page.keyboard.type("by keyboard");
    await demo.page.keyboard.press("Tab");
    await demo.page.keyboard.press("Enter");
    await demo.bothShow(["by keyboard"]);
    assert.equal(
      await demo.page.getByRole("log", { name: "The visitor’s conversation" }).count(),
      1,
    );
    assert.equal(
      await demo.page.getByRole("navigation", { name: "Inbox" }).getByRole("button").count(),
      1,
    );
    await demo.page.getByLabel("Answer as the agent").focus();
    await demo.page.keyboard.type("first line");
    await demo.page.keyboard.press("Shift+Enter");
    await demo.page.keyboard.type("second line");
    await demo.page.keyboard.press("Enter");
    await demo.bothShow(["by keyboard", "first line\nsecond line"]);
  }));

test("on a phone nothing is wider than the screen", async () => {
  const context = await browser.newContext({ viewport: { width: 360, height: 740 } });
  try {
    const demo = await open(context, newTenant());
    await demo.write("visitor", `${"long".repeat(200)} https://example.com/${"path/".repeat(60)}`);
    await untilEqual("it is there", async () => (await demo.texts("visitor")).length, 1);
    const wider = await demo.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wider <= 0, `the page is ${wider} px too wide`);
  } finally {
    await context.close();
  }
});
