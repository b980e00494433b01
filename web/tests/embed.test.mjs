/**
 * @file The widget on a site of another origin, whose policy allows nothing but it, in a real browser
 *   and against a real server.
 */

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { gzipSync } from "node:zlib";

import { Agent, newTenant } from "./support/agent.mjs";
import { launch, launchWithoutCookies, noComplaints, visit } from "./support/browser.mjs";
import { Server } from "./support/server.mjs";
import { Shop } from "./support/shop.mjs";
import { until, untilEqual } from "./support/until.mjs";

/** @import {Browser, BrowserContext, BrowserContextOptions} from "playwright-core" */
/** @import {Embedded, Snippet} from "./support/shop.mjs" */

const owned = Server.owned ? {} : { skip: "needs PARLOR_BIN: a server of its own" };

/** @type {Server} */
let server;
/** @type {Browser} */
let browser;
/** @type {Shop} */
let shop;

before(async () => {
  server = await Server.begin();
  browser = await launch();
  shop = await Shop.begin(server.url);
});
after(async () => {
  await browser?.close();
  await shop?.end();
  await server?.end();
});
afterEach(noComplaints);

/**
 * @typedef {{context: BrowserContext, tenantId: string, agent: Agent, asked: string[],
 *   open: (snippet?: Partial<Snippet>) => Promise<Embedded>}} Visitor `asked`: the paths that were
 *   asked of the server
 */

/**
 * A visitor of a tenant that no other test has.
 *
 * @param {(visitor: Visitor) => Promise<void>} body
 * @param {BrowserContextOptions} [options]
 */
async function withVisitor(body, options) {
  const context = await browser.newContext(options);
  const tenantId = newTenant();
  /** @type {string[]} */
  const asked = [];
  context.on("request", (request) => {
    const url = new URL(request.url());
    if (url.origin === server.url) asked.push(url.pathname);
  });
  const open = (/** @type {Partial<Snippet>} */ snippet = {}) =>
    shop.visit(context, { tenantId, ...snippet });
  try {
    await body({ context, tenantId, agent: new Agent(server, tenantId), asked, open });
  } finally {
    await context.close();
  }
}

/**
 * An agent who has the conversation open, on a page of the server's that runs no script of its own.
 *
 * @param {BrowserContext} context
 * @param {string} tenantId
 * @param {string} token
 * @param {string} id
 */
async function atTheDesk(context, tenantId, token, id) {
  const page = await visit(context, `${server.url}/demo/demo.css`);
  await page.evaluate(
    async ([tenant, jwt, conversation]) => {
      const address = "/client/agent.js";
      const { ParlorAgent } = await import(address);
      const agent = new ParlorAgent({ tenantId: tenant, token: jwt });
      Object.assign(globalThis, { agent, typing: false });
      agent.addEventListener("typing", (/** @type {any} */ { detail }) => {
        if (detail.by === "user") Object.assign(globalThis, { typing: detail.on });
      });
      agent.connect();
      await agent.open(conversation);
      agent.look({ open: conversation });
    },
    [tenantId, token, id],
  );
  await untilEqual("the agent is there", () => page.evaluate("agent.state"), "online");
  return page;
}

/** What agents are told of a visitor. @param {Agent} agent @param {string} id */
async function said(agent, id) {
  const { visitor } = await agent.state(id);
  return [visitor?.name, visitor?.email];
}

const isApi = (/** @type {string} */ path) => path.startsWith("/api/") || path.startsWith("/ws/");

test("before it is opened, the server is asked for the loader alone", () =>
  withVisitor(async ({ open, asked }) => {
    const widget = await open();
    assert.deepEqual([...new Set(asked)], ["/widget.js"]);
    assert.equal(await widget.page.locator("parlor-chat iframe").count(), 0);
    await widget.open();
    assert.ok(asked.includes("/api/chat/session"));
  }));

test("the page does not move when the button comes, nor when the chat opens", () =>
  withVisitor(async ({ open }) => {
    const widget = await open();
    await widget.open();
    const shifts = await widget.page.evaluate(
      () =>
        new Promise((resolve) => {
          new PerformanceObserver((list) => resolve(list.getEntries().length)).observe({
            type: "layout-shift",
            buffered: true,
          });
          requestAnimationFrame(() => requestAnimationFrame(() => resolve(0)));
        }),
    );
    assert.equal(shifts, 0);
  }));

test("a visitor writes, an agent answers, and a reload shows both", () =>
  withVisitor(async ({ open, agent }) => {
    const widget = await open();
    await widget.open();
    assert.ok(await widget.frame.locator("#welcome").isVisible());
    await widget.write("Do you ship to Peru?");
    await widget.shows(["Do you ship to Peru?"]);
    await untilEqual(
      "it is said to be sent",
      async () => /Sent$/.test((await widget.frame.locator(".receipt").textContent()) ?? ""),
      true,
    );
    const id = await agent.conversationWith("Do you ship to Peru?");
    await agent.reply(id, "We do.");
    await widget.shows(["Do you ship to Peru?", "We do."]);
    assert.equal(await widget.frame.locator(".receipt").count(), 0, "an answer says it was seen");
    await widget.page.reload();
    await widget.open();
    await widget.shows(["Do you ship to Peru?", "We do."]);
  }));

test("what is answered while it is closed is counted on the button, also after a reload", () =>
  withVisitor(async ({ open, agent, asked }) => {
    const widget = await open();
    await widget.open();
    await widget.write("Hello?");
    const id = await agent.conversationWith("Hello?");
    await agent.reply(id, "one");
    await widget.shows(["Hello?", "one"]);
    assert.equal(await widget.badge(), "", "what is read is not counted");
    await widget.launcher.click();
    await agent.reply(id, "two");
    await untilEqual("it is counted", () => widget.badge(), "1");
    assert.equal(await widget.launcher.getAttribute("aria-label"), "Chat (1)");
    await agent.reply(id, "three");
    await untilEqual("both are", () => widget.badge(), "2");
    asked.length = 0;
    await widget.page.reload();
    await untilEqual("who wrote lately is told at once", () => widget.badge(), "2");
    assert.ok(asked.some(isApi));
    await widget.open();
    await untilEqual("and has read it when it is open", () => widget.badge(), "");
    await widget.page.reload();
    await until("the frame is there", () => widget.page.locator("parlor-chat iframe").count());
    await widget.online();
    assert.equal(await widget.badge(), "");
  }));

test("it can be used by keyboard alone, and Escape goes back to the button", () =>
  withVisitor(async ({ open }) => {
    const { page, launcher, frame, dialog } = await open();
    await page.locator("#before").focus();
    await page.keyboard.press("Tab");
    assert.ok(await launcher.evaluate((element) => element.matches(":focus")));
    await page.keyboard.press("Enter");
    const focused = () => frame.locator("body").evaluate(() => document.activeElement?.id);
    await untilEqual("one may write", focused, "text");
    await page.keyboard.type("first line");
    await page.keyboard.press("Shift+Enter");
    await page.keyboard.type("second line");
    await page.keyboard.press("Enter");
    await untilEqual("it is said", () => frame.locator(".bubble").allTextContents(), [
      "first line\nsecond line",
    ]);
    assert.equal(await launcher.getAttribute("aria-expanded"), "true");
    await page.keyboard.press("Escape");
    await untilEqual("it is closed", () => launcher.getAttribute("aria-expanded"), "false");
    assert.ok(await launcher.evaluate((element) => element.matches(":focus")));
    await untilEqual(
      "nobody can get into it",
      () => dialog.evaluate((element) => getComputedStyle(element).visibility),
      "hidden",
    );
    for (const [role, name] of /** @type {const} */ ([
      ["log", "Messages"],
      ["heading", "Chat with us"],
    ])) {
      assert.equal(await frame.getByRole(role, { name, includeHidden: true }).count(), 1, role);
    }
    assert.equal(
      await page.getByRole("dialog", { includeHidden: true }).getAttribute("aria-label"),
      "Chat",
    );
  }));

test("a site's own button opens it, and gets the focus back", () =>
  withVisitor(async ({ open }) => {
    const widget = await open({ attributes: { launcher: "none" } });
    assert.equal(await widget.launcher.isVisible(), false);
    const link = widget.page.locator("#before");
    await link.focus();
    await widget.page.evaluate("Parlor.open()");
    await widget.online();
    await widget.text.press("Escape");
    await untilEqual("the focus is back", () => link.evaluate((e) => e.matches(":focus")), true);
  }));

test("a snippet that another site copied stays blank", () =>
  withVisitor(async ({ context, tenantId }) => {
    const thief = await Shop.begin(server.url, "127.0.0.2");
    try {
      const page = await context.newPage();
      await page.goto(`${thief.origin}/?data-tenant=${tenantId}`);
      const refused = page.waitForEvent("console", (message) =>
        message.text().includes("frame-ancestors"),
      );
      await page.locator("parlor-chat button").click();
      await refused;
      const inner = page.frames().find((frame) => frame !== page.mainFrame());
      assert.ok(!inner?.url().startsWith(server.url), inner?.url());
    } finally {
      await thief.end();
    }
  }));

test(
  "a tenant of the registry is talked to from its own sites, and by the installation's frame",
  owned,
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "parlor-embed-tests-"));
    const file = join(folder, "tenants.toml");
    const named = (/** @type {string} */ origin) =>
      writeFile(file, `[[tenant]]\nname = "shop"\norigins = ["${origin}"]\n`);
    await named("https://nobody.example");
    const strict = await Server.begin({ PARLOR_TENANTS__FILE: file });
    const [site, other] = [await Shop.begin(strict.url), await Shop.begin(strict.url)];
    const context = await browser.newContext();
    try {
      await named(site.origin);
      await until("the registry is in force", async () => {
        const answer = await fetch(`${strict.url}/widget/frame?tenant=shop`);
        return answer.headers.get("Content-Security-Policy")?.includes(site.origin);
      });
      const widget = await site.visit(context, { tenantId: "shop" });
      await widget.open();
      await widget.write("from the tenant's site");
      await untilEqual(
        "it is sent",
        async () => /Sent$/.test((await widget.frame.locator(".receipt").textContent()) ?? ""),
        true,
      );
      const page = await context.newPage();
      await page.goto(`${other.origin}/?data-tenant=shop`);
      const refused = page.waitForEvent("console", (message) =>
        message.text().includes("frame-ancestors"),
      );
      await page.locator("parlor-chat button").click();
      await refused;

      const entry = `[[tenant]]\nname = "shop"\norigins = ["${site.origin}"]\n`;
      const keyed = `publishable_key = "pk_shop"\npublishable_key_required = true\n`;
      await writeFile(file, entry + keyed);
      const asks = (/** @type {string} */ key) =>
        fetch(`${strict.url}/api/chat/session`, {
          method: "POST",
          headers: { "X-Tenant-ID": "shop", Origin: site.origin, Authorization: `Bearer ${key}` },
          body: "{}",
        });
      await until("its key is wanted", async () => (await asks("pk_other")).status === 401);
      const visitor = await browser.newContext();
      const without = await site.visit(visitor, { tenantId: "shop" });
      await without.launcher.click();
      await untilEqual(
        "without it, it says that it cannot be used",
        () => without.frame.locator("#trouble").innerText(),
        "The chat isn’t available right now.",
      );
      const keyedSnippet = { tenantId: "shop", attributes: { key: "pk_shop" } };
      await (await site.visit(visitor, keyedSnippet)).open();
      await visitor.close();
    } finally {
      await context.close();
      await site.end();
      await other.end();
      await strict.end();
      await rm(folder, { recursive: true, force: true });
    }
  },
);

test("hostile texts are texts, and only addresses of the web can be followed", () =>
  withVisitor(async ({ open, agent }) => {
    const widget = await open({ attributes: { team: "<img src=x onerror=alert(1)>" } });
    await widget.open();
    const odd = [
      '<img src=x onerror="alert(1)"><script>alert(2)</script>',
      "[a](javascript:alert(3)) javascript:alert(4) data:text/html,<b>x</b>",
      "see https://example.com/a_(b)?c=d&e=<f>, or http://user:pw@evil.example.",
      "שלום \u{202e}abc\u{202c} 👩‍👩‍👧‍👦",
    ];
    await widget.write("hello");
    const id = await agent.conversationWith("hello");
    for (const text of odd) await agent.reply(id, text);
    await widget.shows(["hello", ...odd]);
    assert.equal(await widget.frame.locator("img, script:not([src]), b").count(), 0);
    const links = await widget.frame.locator(".bubble a").evaluateAll((all) =>
      all
        .map((link) => /** @type {HTMLAnchorElement} */ (link))
        .map(({ href, rel, target }) => ({
          href,
          rel,
          target,
        })),
    );
    const rel = "noopener noreferrer nofollow";
    assert.deepEqual(links, [{ href: "https://example.com/a_(b)?c=d&e=", rel, target: "_blank" }]);
  }));

test("another window cannot speak for the frame, nor for the page around it", () =>
  withVisitor(async ({ open }) => {
    const widget = await open();
    await widget.open();
    await widget.page.evaluate(() => {
      for (const type of ["close", "unread", "keep"]) {
        postMessage({ parlor: 1, type, count: 5, values: { token: "stolen" } }, "*");
      }
    });
    await widget.frame.locator("body").evaluate(() => {
      const message = { parlor: 1, type: "options", options: { team: "Forged" }, shown: true };
      window.postMessage(message, "*");
    });
    // What is said the right way afterwards has come after those.
    await widget.page.evaluate("Parlor.set({ team: 'The shop' })");
    await untilEqual(
      "the site's own word counts",
      () => widget.frame.locator("#team").textContent(),
      "The shop",
    );
    assert.equal(await widget.isOpen(), true);
    assert.equal(await widget.badge(), "");
    const kept = await widget.page.evaluate(() => JSON.stringify({ ...localStorage }));
    assert.doesNotMatch(kept, /stolen/);
  }));

test("where cookies and storage are off, one can talk as long as the page is there", async () => {
  const folder = await mkdtemp(join(tmpdir(), "parlor-embed-tests-"));
  const context = await launchWithoutCookies(folder);
  try {
    const tenantId = newTenant();
    const agent = new Agent(server, tenantId);
    const widget = await shop.visit(context, { tenantId });
    await widget.open();
    await widget.write("no cookies here");
    const id = await agent.conversationWith("no cookies here");
    await agent.reply(id, "none needed");
    await widget.shows(["no cookies here", "none needed"]);
    await widget.write("good");
    await widget.shows(["no cookies here", "none needed", "good"]);
  } finally {
    await context.close();
    await rm(folder, { recursive: true, force: true });
  }
});

test("where the frame's cookie does not stick, the site's storage keeps the visitor, until a logout", () =>
  withVisitor(async ({ context, open, agent }) => {
    // Stands for browsers that drop cookies of frames without a word.
    await context.route("**/api/chat/**", async (route) => {
      const request = route.request();
      const { cookie: _, ...headers } = await request.allHeaders();
      const answer = await fetch(request.url(), {
        method: request.method(),
        headers,
        body: request.postData(),
      });
      const kept = [...answer.headers].filter(([name]) => name !== "set-cookie");
      await route.fulfill({
        status: answer.status,
        headers: Object.fromEntries(kept),
        body: await answer.text(),
      });
    });
    const widget = await open();
    await widget.open();
    await widget.write("remember me");
    await agent.conversationWith("remember me");
    assert.match(await widget.page.evaluate(() => JSON.stringify({ ...localStorage })), /vt_/);
    await widget.page.reload();
    await widget.open();
    await widget.shows(["remember me"]);
    await widget.write("still me");
    await widget.shows(["remember me", "still me"]);
    assert.equal((await agent.conversations()).length, 1);
    await widget.page.evaluate("Parlor.logout()");
    await widget.online();
    await widget.shows([]);
    await widget.write("somebody else");
    await agent.conversationWith("somebody else");
    assert.equal((await agent.conversations()).length, 2);
  }));

test("in a language from right to left it stands on the left, and reads so", () =>
  withVisitor(async ({ open }) => {
    const widget = await open({ lang: "ar", dir: "rtl" });
    const box = await widget.launcher.boundingBox();
    assert.ok(box && box.x < 100, `the button is at ${box?.x}`);
    await widget.open();
    assert.equal(await widget.frame.locator("html").getAttribute("dir"), "rtl");
    assert.equal(await widget.text.getAttribute("placeholder"), "اكتب رسالة…");
    await widget.write("مرحبا");
    const bubble = await widget.frame.locator(".own .bubble").boundingBox();
    const log = await widget.frame.locator("#log").boundingBox();
    assert.ok(bubble && log && bubble.x < log.x + 5, "the own side is the end of a line");
  }));

for (const locale of ["en", "de", "fr", "es", "it", "pt", "nl", "pl", "tr", "ja", "zh", "ar"]) {
  test(`it says everything in ${locale}`, () =>
    withVisitor(async ({ open }) => {
      const widget = await open({ attributes: { locale, prechat: "ask" } });
      await widget.open();
      /** @type {Record<string, string>} */
      const texts = (await import(`../widget/texts/${locale}.js`)).default;
      /** @type {Record<string, string>} */
      const english = (await import("../widget/texts/en.js")).default;
      assert.deepEqual(Object.keys(texts), Object.keys(english));
      for (const [key, text] of Object.entries(texts)) {
        const gaps = (/** @type {string} */ of) => (of.match(/\{\w+\}/g) ?? []).sort();
        assert.deepEqual(gaps(text), gaps(english[key] ?? ""), key);
      }
      assert.equal(await widget.frame.locator("#greeting").textContent(), texts.greeting);
      const empty = await widget.frame
        .locator("button:not([hidden])")
        .evaluateAll(
          (all) => all.filter((each) => !each.ariaLabel && !each.textContent?.trim()).length,
        );
      assert.equal(empty, 0, "every button has a name");
    }));
}

test("on the smallest phone it fills the screen, covers the page, and nothing is too wide", () =>
  withVisitor(
    async ({ open, agent }) => {
      const widget = await open({ attributes: { prechat: "ask" } });
      await widget.open();
      assert.equal(await widget.dialog.getAttribute("aria-modal"), "true");
      assert.equal(await widget.page.locator("main").getAttribute("inert"), "");
      const box = await widget.dialog.boundingBox();
      assert.deepEqual(box, { x: 0, y: 0, width: 320, height: 640 });
      const wide = `${"long".repeat(100)} https://example.com/${"path/".repeat(60)}`;
      await widget.write(wide);
      const id = await agent.conversationWith(wide);
      await agent.reply(id, wide);
      await until("both are there", async () => (await widget.texts()).length === 2);
      const wider = await widget.frame.locator("html").evaluate((html) => {
        const scrolls = [html, ...html.querySelectorAll("body, #scroll")];
        return scrolls.map((each) => each.scrollWidth - each.clientWidth);
      });
      assert.deepEqual(wider, [0, 0, 0]);
      await widget.frame.getByRole("button", { name: "Close chat" }).click();
      await untilEqual("it is closed", () => widget.isOpen(), false);
      assert.equal(await widget.page.locator("main").getAttribute("inert"), null);
      assert.ok(await widget.launcher.evaluate((element) => element.matches(":focus")));
    },
    { viewport: { width: 320, height: 640 } },
  ));

for (const color of [
  "#f5b400",
  "#0b3d91",
  "hotpink",
  "rgb(119 119 119)",
  "#fff",
  "oklch(70% 0.2 145)",
]) {
  test(`a text on ${color} can be read`, () =>
    withVisitor(async ({ open }) => {
      const widget = await open({ attributes: { color } });
      await widget.open();
      await widget.write("hello");
      await widget.shows(["hello"]);
      for (const place of [widget.launcher, widget.frame.locator(".own .bubble")]) {
        const ratio = await place.evaluate((element) => {
          const style = getComputedStyle(element);
          const luminance = (/** @type {string} */ text) => {
            const parts = (text.match(/[\d.]+/g) ?? [])
              .slice(0, 3)
              .map((part) => Number(part) / 255);
            const [r = 0, g = 0, b = 0] = parts.map((part) =>
              part > 0.04045 ? ((part + 0.055) / 1.055) ** 2.4 : part / 12.92,
            );
            return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
          };
          const pair = [luminance(style.color), luminance(style.backgroundColor)].sort(
            (a, b) => b - a,
          );
          return (pair[0] ?? 0) / (pair[1] ?? 1);
        });
        assert.ok(ratio >= 4.5, `${ratio.toFixed(2)}:1`);
      }
    }));
}

test("what the site asks before the first message is asked once, and wrong answers are told", () =>
  withVisitor(async ({ open, agent }) => {
    const widget = await open({ attributes: { prechat: "require" } });
    await widget.open();
    const field = (/** @type {string} */ name) => widget.frame.getByLabel(name, { exact: true });
    await widget.write("hello");
    const wrong = widget.frame.locator("#prechat-wrong");
    await untilEqual("a name is wanted", () => wrong.innerText(), "Please fill in this field.");
    await field("Name").fill("Ada");
    await field("E-mail").fill("ada@");
    await widget.text.press("Enter");
    await untilEqual(
      "a whole address is",
      () => wrong.innerText(),
      "Please enter a valid e-mail address.",
    );
    assert.deepEqual(await widget.texts(), []);
    await field("E-mail").fill("ada@example.com");
    await widget.text.press("Enter");
    await widget.shows(["hello"]);
    const id = await agent.conversationWith("hello");
    await untilEqual("agents are told", () => said(agent, id), ["Ada", "ada@example.com"]);
    assert.equal(await field("Name").isVisible(), false);
    await widget.page.reload();
    await widget.open();
    assert.equal(await field("Name").isVisible(), false);
  }));

test("typing, seen, and whether somebody is there", () =>
  withVisitor(async ({ context, open, agent, tenantId }) => {
    const widget = await open();
    await widget.open();
    await widget.write("anybody?");
    const id = await agent.conversationWith("anybody?");
    const state = widget.frame.locator("#state");
    const away = widget.frame.locator("#away");
    await untilEqual("nobody is there", () => away.isVisible(), true);

    const desk = await atTheDesk(context, tenantId, await agent.token(), id);
    await untilEqual("somebody is there", () => state.innerText(), "We’re online");
    assert.equal(await away.isVisible(), false);
    await desk.evaluate(`agent.typing(${JSON.stringify(id)}, true)`);
    const line = widget.frame.locator("#typing-text");
    await untilEqual("it is told who types", () => line.innerText(), "Demo agent is typing…");
    await agent.reply(id, "I am");
    await widget.shows(["anybody?", "I am"]);
    await untilEqual("until it is said", () => line.isVisible(), false);

    // It is told every 3 s at most, to whoever goes on writing.
    await until("the team is told too", async () => {
      await widget.text.press("o");
      return desk.evaluate("typing");
    });
    await widget.text.press("Enter");
    await untilEqual("until it is sent", () => desk.evaluate("typing"), false);
    const receipt = widget.frame.locator(".receipt");
    await until("it is sent", async () => /Sent$/.test(await receipt.innerText()));
    await agent.read(id);
    await until("it is seen", async () => /Seen$/.test(await receipt.innerText()));
    await widget.page.reload();
    await widget.open();
    await until("it is seen after a reload", async () => /Seen$/.test(await receipt.innerText()));
    await untilEqual(
      "and the team knows what the visitor has read",
      async () => typeof (await agent.state(id)).read?.visitor,
      "string",
    );
    await desk.close();
  }));

test("while nobody is there an address can be left", () =>
  withVisitor(async ({ open, agent }) => {
    const widget = await open();
    await widget.open();
    const form = widget.frame.locator("#away");
    await untilEqual("it is asked for", () => form.isVisible(), true);
    await form.getByRole("textbox").fill("nonsense");
    await form.getByRole("button").click();
    const wrong = widget.frame.locator("#away-wrong");
    await untilEqual("not any text will do", () => wrong.isVisible(), true);
    await form.getByRole("textbox").fill("ada@example.com");
    await form.getByRole("button").click();
    await untilEqual("it is taken", () => form.isVisible(), false);
    await widget.write("please call back");
    const id = await agent.conversationWith("please call back");
    await untilEqual("and told", () => said(agent, id), [undefined, "ada@example.com"]);
  }));

test("after the end one is asked how it was, once, and writing goes on", () =>
  withVisitor(async ({ open, agent }) => {
    const widget = await open();
    await widget.open();
    await widget.write("thanks");
    const id = await agent.conversationWith("thanks");
    await agent.end(id);
    const panel = widget.frame.getByRole("region", { name: "How was this conversation?" });
    await untilEqual("it is asked", () => panel.isVisible(), true);
    await widget.page.reload();
    await widget.open();
    await untilEqual("also after a reload", () => panel.isVisible(), true);
    await panel.getByRole("radio", { name: "3 of 5" }).click();
    await widget.page.keyboard.press("ArrowRight");
    await panel.getByRole("textbox").fill("quick");
    await panel.getByRole("button", { name: "Send" }).click();
    await untilEqual(
      "with thanks",
      () => widget.frame.locator("#rating-title").innerText(),
      "Thank you for your feedback!",
    );
    await untilEqual("agents are told", async () => (await agent.state(id)).rating, 4);
    await widget.write("one more thing");
    await widget.shows(["thanks", "one more thing"]);
    await untilEqual(
      "and nobody asks any more",
      () => widget.frame.locator("#rating").isVisible(),
      false,
    );
    await untilEqual("it goes on", async () => (await agent.state(id)).status, "open");
    await widget.frame.getByRole("button", { name: "End conversation" }).click();
    await untilEqual(
      "the visitor ends it too",
      async () => (await agent.state(id)).status,
      "closed",
    );
    await untilEqual("and is asked again", () => panel.isVisible(), true);
    await panel.getByRole("button", { name: "Not now" }).click();
    await untilEqual("or would rather not", () => panel.isVisible(), false);
  }));

test("what is written while the server is away is sent when it is back", owned, () =>
  withVisitor(async ({ open, agent }) => {
    const widget = await open();
    await widget.open();
    await widget.write("before");
    await agent.conversationWith("before");
    await server.stop("SIGKILL");
    try {
      const bar = widget.frame.locator("#trouble");
      await untilEqual("it says so", () => bar.isVisible(), true);
      await widget.write("meanwhile");
      await untilEqual(
        "and that it waits",
        () => widget.frame.locator(".receipt").innerText(),
        "Waiting for a connection",
      );
    } finally {
      await server.start();
    }
    await agent.conversationWith("meanwhile");
    await widget.shows(["before", "meanwhile"]);
    await untilEqual("all is well", () => widget.frame.locator("#trouble").isVisible(), false);
  }),
);

test("what was said earlier can be asked for, and whoever reads it is not moved", () =>
  withVisitor(async ({ open, agent }) => {
    const widget = await open();
    await widget.open();
    await widget.write("number 0");
    const id = await agent.conversationWith("number 0");
    const all = Array.from({ length: 60 }, (_, n) => `number ${n}`);
    for (const text of all.slice(1)) await agent.reply(id, text);
    await widget.shows(all);
    await widget.page.reload();
    await widget.open();
    await widget.shows(all.slice(-50));
    const scroll = widget.frame.locator("#scroll");
    const fromEnd = () => scroll.evaluate((at) => at.scrollHeight - at.scrollTop - at.clientHeight);
    await until("it stands at its end", async () => (await fromEnd()) < 2);
    await widget.frame.getByRole("button", { name: "Show earlier messages" }).click();
    await widget.shows(all);
    await until("the reader is where the earlier ones end", async () => (await fromEnd()) > 500);
    const before = await fromEnd();
    await agent.reply(id, "number 60");
    const newer = widget.frame.getByRole("button", { name: "New messages" });
    await untilEqual("it is said that there is more", () => newer.isVisible(), true);
    assert.ok((await fromEnd()) >= before);
    await newer.click();
    await until("and one gets there", async () => (await fromEnd()) < 2);
  }));

test("the site's script is told what happens, and sets what it likes", () =>
  withVisitor(async ({ open, agent }) => {
    const widget = await open();
    await widget.page.evaluate(() => {
      const { Parlor } = /** @type {any} */ (window);
      /** @type {unknown[]} */
      const log = [];
      Object.assign(window, { log });
      for (const name of ["open", "close", "sent", "unread"]) {
        Parlor.on(name, (/** @type {object} */ detail) => log.push([name, { ...detail }]));
      }
      Parlor.open();
    });
    await widget.online();
    await widget.write("hi");
    const id = await agent.conversationWith("hi");
    await until("sent", () => widget.page.evaluate("log.length === 2"));
    await widget.page.evaluate("Parlor.close()");
    await agent.reply(id, "hello");
    await untilEqual("all of it", () => widget.page.evaluate("log"), [
      ["open", {}],
      ["sent", {}],
      ["close", {}],
      ["unread", { count: 1 }],
    ]);
    await widget.page.evaluate("Parlor.set({ locale: 'de', team: 'Laden' })");
    await untilEqual(
      "in the other language",
      () => widget.text.getAttribute("placeholder"),
      "Nachricht schreiben…",
    );
  }));

test("what a site's script says of its visitor is told", () =>
  withVisitor(async ({ open, agent }) => {
    const widget = await open();
    await widget.page.evaluate("Parlor.set({ name: 'Zoë', email: 'zoe@example.com' })");
    await widget.open();
    await widget.write("it is me");
    const id = await agent.conversationWith("it is me");
    await untilEqual("it is told", () => said(agent, id), ["Zoë", "zoe@example.com"]);
    await widget.page.evaluate("Parlor.set({ attributes: { plan: 'pro' } })");
    await untilEqual(
      "what is set later too",
      async () => (await agent.state(id)).visitor?.attributes,
      { plan: "pro" },
    );
  }));

test("whom a site's server proves is the same in every browser, and nobody after the logout", owned, async () => {
  const folder = await mkdtemp(join(tmpdir(), "parlor-embed-tests-"));
  const [file, secret] = [join(folder, "tenants.toml"), "a secret of the shop's own server, long"];
  await writeFile(join(folder, "visitors.key"), secret);
  const tenant = (/** @type {string} */ origin) =>
    writeFile(
      file,
      `[[tenant]]\nname = "shop"\norigins = ["${origin}"]\n` +
        `[[tenant.visitor_key]]\nkid = "v1"\nalgorithm = "HS256"\n` +
        `secret_file = "visitors.key"\n`,
    );
  await tenant("https://nobody.example");
  const strict = await Server.begin({ PARLOR_TENANTS__FILE: file });
  const site = await Shop.begin(strict.url);
  const contexts = [await browser.newContext(), await browser.newContext()];
  const identify = (/** @type {Embedded} */ widget, /** @type {string} */ sub) =>
    widget.page.evaluate(`Parlor.identify(async () => ${JSON.stringify(proof(secret, sub))})`);
  try {
    await tenant(site.origin);
    await until("the registry is in force", async () => {
      const answer = await fetch(`${strict.url}/widget/frame?tenant=shop`);
      return answer.headers.get("Content-Security-Policy")?.includes(site.origin);
    });
    const [first, second] = await Promise.all(
      contexts.map((context) => site.visit(context, { tenantId: "shop" })),
    );
    assert.ok(first && second);
    await identify(first, "seven");
    await first.open();
    await first.write("it is me");
    await first.shows(["it is me"]);
    await second.open();
    await second.shows([]);
    await identify(second, "seven");
    await second.shows(["it is me"]);
    await second.write("here too");
    await first.shows(["it is me", "here too"]);
    await identify(second, "eight");
    await second.shows([]);
    await first.page.evaluate("Parlor.logout()");
    await first.shows([]);
    await first.write("somebody else");
    await first.shows(["somebody else"]);
  } finally {
    await Promise.all(contexts.map((context) => context.close()));
    await site.end();
    await strict.end();
    await rm(folder, { recursive: true, force: true });
  }
});

/** A visitor's JWT of a site's server. @param {string} secret @param {string} sub */
function proof(secret, sub) {
  const part = (/** @type {object} */ value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const exp = Math.floor(Date.now() / 1000) + 600;
  const head = part({ alg: "HS256", typ: "JWT", kid: "v1" });
  const signed = `${head}.${part({ aud: "parlor.visitor", sub, exp, name: "Zoë" })}`;
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}

test("by itself the frame is a page on which one can write", () =>
  withVisitor(async ({ context, tenantId, agent }) => {
    const page = await visit(context, `${server.url}/widget/frame?tenant=${tenantId}`);
    await page.locator("#log[aria-busy=false]").waitFor({ state: "attached" });
    await page.locator("#text").fill("by a link");
    await page.locator("#text").press("Enter");
    await agent.conversationWith("by a link");
    assert.equal(await page.locator("#close").isVisible(), false);
  }));

test("what is loaded is small", () =>
  withVisitor(async ({ context, open }) => {
    /** @type {Map<string, number>} */
    const sizes = new Map();
    /** @type {Promise<void>[]} */
    const reading = [];
    context.on("response", (response) => {
      const { origin, pathname } = new URL(response.url());
      if (origin !== server.url || isApi(pathname)) return;
      const size = response.body().then((body) => void sizes.set(pathname, gzipSync(body).length));
      reading.push(size);
    });
    const widget = await open();
    await widget.open();
    await Promise.all(reading);
    const loader = sizes.get("/widget.js") ?? Infinity;
    sizes.delete("/widget.js");
    const frame = [...sizes.values()].reduce((sum, size) => sum + size, 0);
    console.log(`loader ${loader} bytes, frame ${frame} bytes in ${sizes.size} files, gzipped`);
    assert.ok(loader <= 4 * 1024, `the loader has ${loader} bytes`);
    assert.ok(sizes.size > 20 && frame <= 60 * 1024, `the frame has ${frame} bytes`);
    const preloaded = await widget.frame
      .locator("link[rel=modulepreload], script, link[rel=stylesheet], link[rel=icon]")
      .evaluateAll((all) =>
        all.map((each) => each.getAttribute("href") ?? each.getAttribute("src")),
      );
    const late = [...sizes.keys()].filter((path) => !preloaded.includes(path));
    assert.deepEqual(
      late.filter((path) => !path.endsWith("/texts/en.js")),
      ["/widget/frame"],
      "all files but the language's are asked for at once",
    );
  }));
