/** @file The dashboard in a real browser, against a real server, used as an agent would use it. */

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";

import { newTenant } from "./support/agent.mjs";
import { launch, noComplaints, visit } from "./support/browser.mjs";
import { Desk, withProfile } from "./support/desk.mjs";
import { HOSTILE } from "./support/hostile.mjs";
import { Server } from "./support/server.mjs";
import { until, untilEqual } from "./support/until.mjs";
import { Visitor } from "./support/visitor.mjs";

/** @import {Browser} from "playwright-core" */

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
 * Visitors of a tenant of their own, each with a name and a first message, listed in this order.
 *
 * @param {string[]} names
 */
async function visitors(names) {
  const tenantId = newTenant();
  const made = [];
  for (const name of [...names].reverse()) {
    const visitor = await Visitor.begin(server, tenantId);
    await visitor.say(`question of ${name}`);
    await visitor.call("PUT", "profile", { name, email: `${name.toLowerCase()}@example.com` });
    made.unshift(visitor);
  }
  return { tenantId, visitors: made };
}

test("a shift by keyboard alone: open, reply, note, claim, label, snooze, close, next", () =>
  withProfile(browser, async (context) => {
    const {
      tenantId,
      visitors: [ada, bo],
    } = await visitors(["Ada", "Bo", "Cy"]);
    const desk = await Desk.open(context, server.url, { tenantId, agent: "ann" });
    await untilEqual("three wait", () => desk.names(), ["Ada", "Bo", "Cy"]);
    await desk.press("j");
    await untilEqual("the first is open", () => desk.openName(), "Ada");
    await untilEqual("with its text", () => desk.texts(), ["question of Ada"]);
    await desk.press("r");
    await desk.type("an answer");
    await desk.press("Enter");
    await untilEqual("the visitor has it", () => ada?.texts(), ["question of Ada", "an answer"]);
    await desk.press("Escape", "n");
    await desk.type("of the team");
    await desk.press("Enter");
    const all = ["question of Ada", "an answer", "of the team"];
    await untilEqual("the note is there", () => desk.texts(), all);
    assert.deepEqual(await ada?.texts(), ["question of Ada", "an answer"]);
    await desk.press("Escape", "i");
    await untilEqual("claimed", () => desk.lines(), ["You took the conversation"]);
    await desk.press("l");
    await desk.type("urgent");
    await desk.press("Enter", "Escape");
    await untilEqual("labelled", () => desk.lines(), [
      "You took the conversation",
      "You added urgent",
    ]);
    await desk.press("e");
    await untilEqual("the next is open", () => desk.openName(), "Bo");
    await untilEqual("the closed one has left", () => desk.names(), ["Bo", "Cy"]);
    await desk.press("z", "ArrowDown", "Enter");
    await untilEqual("the next is open", () => desk.openName(), "Cy");
    for (const [view, names] of [
      ["snoozed", ["Bo"]],
      ["closed", ["Ada"]],
      ["mine", []],
    ]) {
      await desk.press("Control+k");
      await desk.type(`go to ${view}`);
      await desk.press("Enter");
      await untilEqual(`what is ${view}`, () => desk.names(), names);
    }
    await bo?.say("I am back");
    await desk.press("Control+k");
    await desk.type("go to open");
    await desk.press("Enter");
    await untilEqual("a visitor's message opens it again", () => desk.names(), ["Bo", "Cy"]);
    await desk.page.reload();
    await desk.connected();
    await untilEqual("all of it is kept", () => desk.names(), ["Bo", "Cy"]);
  }));

test("of two agents who claim, one wins, and the other is told who", () =>
  withProfile(browser, async (context) => {
    const names = ["Ada", "Bo", "Cy"];
    const { tenantId } = await visitors(names);
    const ann = await Desk.open(context, server.url, { tenantId, agent: "ann" });
    const bob = await Desk.open(context, server.url, { tenantId, agent: "bob" });
    for (const name of names) {
      await ann.choose(name);
      await bob.choose(name);
      await Promise.all([ann.press("i"), bob.press("i")]);
      const said = await until("both are told", async () => {
        const [one, other] = [await ann.toast(), await bob.toast()];
        const won = [one, other].filter((word) => word === "It is yours.");
        const lost = [one, other].filter((word) => /has it already/.test(word ?? ""));
        return won.length === 1 && lost.length === 1 ? { one, lost: lost[0] } : null;
      });
      const winner = said.one === "It is yours." ? "ann" : "bob";
      assert.match(said.lost ?? "", new RegExp(`^${winner}`, "i"));
      const has = async () => (await ann.page.locator(".thread-about").textContent()) ?? "";
      await untilEqual("it is shown", async () => /Nobody/.test(await has()), false);
      for (const desk of [ann, bob])
        await desk.page.locator(".toast").evaluate((toast) => toast.remove());
    }
  }));

test("who else reads the conversation, or writes an answer, stands above the field", () =>
  withProfile(browser, async (context) => {
    const { tenantId } = await visitors(["Ada"]);
    const ann = await Desk.open(context, server.url, { tenantId, agent: "ann" });
    const bob = await Desk.open(context, server.url, { tenantId, agent: "bob" });
    await ann.choose("Ada");
    await bob.choose("Ada");
    const above = () => ann.page.locator(".presence-line").textContent();
    await untilEqual("she sees that he reads", above, "Bob reads this too");
    await bob.press("r");
    await bob.type("let me");
    await untilEqual("and that he writes", above, "Bob is writing an answer");
    await bob.press("Escape");
    await untilEqual("and that he does not any more", above, "Bob reads this too");
    await bob.page.close();
    const line = ann.page.locator(".presence-line");
    await untilEqual("and that he has gone", () => line.isVisible(), false);
  }));

test("what a visitor writes and is called is text", () =>
  withProfile(browser, async (context) => {
    const tenantId = newTenant();
    const visitor = await Visitor.begin(server, tenantId);
    for (const text of HOSTILE) await visitor.say(text);
    await visitor.call("PUT", "profile", { name: HOSTILE[1], attributes: { "<b>": HOSTILE[0] } });
    const desk = await Desk.open(context, server.url, { tenantId, agent: "ann" }, (page) =>
      page.addInitScript(() => Object.assign(window, { executed: [] })),
    );
    await desk.page.locator(".row").waitFor();
    await desk.press("j");
    await untilEqual("all of it, as it is", () => desk.texts(), HOSTILE);
    await untilEqual("so is the name", () => desk.openName(), HOSTILE[1]);
    assert.deepEqual(await desk.page.evaluate(() => /** @type {any} */ (window).executed), []);
    assert.equal(await desk.page.locator(".app img, .app script, .app iframe").count(), 0);
  }));

test("a canned reply is the team's: one agent writes it, the other has it at once, as text", () =>
  withProfile(browser, async (context) => {
    const { tenantId } = await visitors(["Ada"]);
    const prepare = (/** @type {import("playwright-core").Page} */ page) =>
      page.addInitScript(() => Object.assign(window, { executed: [] }));
    const ann = await Desk.open(context, server.url, { tenantId, agent: "ann" }, prepare);
    const bob = await Desk.open(context, server.url, { tenantId, agent: "bob" }, prepare);
    for (const desk of [bob, ann]) await desk.choose("Ada");
    // A browser draws the pages behind once in a second.
    await ann.page.bringToFront();
    await ann.editReplies();
    const dialog = ann.page.locator("dialog.canned");
    await dialog.getByText("The whole team sees").waitFor();
    await dialog.getByText("3 replies are in this browser alone").waitFor();
    await dialog.getByRole("button", { name: "Remove", exact: true }).click();
    const replies = HOSTILE.slice(0, 8).map((text, at) => ({ name: `r${at}r ${text}`, text }));
    for (const [at, { name, text }] of replies.entries()) {
      await dialog.getByRole("button", { name: "Add a reply" }).click();
      await dialog.locator("input").nth(at).fill(name);
      await dialog.locator("textarea").nth(at).fill(text);
    }
    await ann.press("Escape");
    const names = replies.map(({ name }) => name);
    await untilEqual("he has them all", async () => (await bob.replies()).sort(), names.sort());
    await bob.press("r", "/");
    await bob.type("r1r");
    await bob.press("Enter");
    const field = bob.page.locator(".composer-field");
    await untilEqual("as it was written", () => field.inputValue(), HOSTILE[1]);
    await bob.page.reload();
    await bob.connected();
    await bob.choose("Ada");
    await untilEqual("they are kept", async () => (await bob.replies()).sort(), names);
    await bob.editReplies();
    const his = bob.page.locator("dialog.canned");
    await his.locator("textarea").nth(2).fill("x".repeat(2_048));
    await his.getByText("Too long to be saved").waitFor();
    await his.locator("textarea").nth(2).fill("changed by Bob");
    await his.getByRole("button", { name: /^Remove: r1r/ }).click();
    await bob.press("Escape");
    const others = names.filter((name) => !name.startsWith("r1r"));
    await untilEqual("one is gone for her too", async () => (await ann.replies()).sort(), others);
    await ann.press("r", "/");
    await ann.type("r2r");
    await ann.press("Enter");
    const hersIs = () => ann.page.locator(".composer-field").inputValue();
    await untilEqual("and one is another", hersIs, "changed by Bob");
    for (const { page } of [ann, bob]) {
      assert.deepEqual(await page.evaluate(() => /** @type {any} */ (window).executed), []);
      assert.equal(await page.locator("dialog img, dialog script, dialog iframe").count(), 0);
    }
  }));

test("what a browser kept is shared once; who is away, and is called what, the others see", () =>
  withProfile(browser, async (context) => {
    const { tenantId } = await visitors(["Ada"]);
    const kept = [{ name: "Greeting", text: "Good day to you" }];
    const ann = await Desk.open(context, server.url, { tenantId, agent: "ann" }, (page) =>
      page.addInitScript((json) => {
        localStorage.getItem("parlor:dashboard:canned") ??
          localStorage.setItem("parlor:dashboard:canned", json);
      }, JSON.stringify(kept)),
    );
    await ann.choose("Ada");
    await ann.editReplies();
    await ann.page.getByRole("button", { name: "Share with the team" }).click();
    await ann.page.getByText("in this browser alone.").waitFor({ state: "hidden" });
    await ann.press("Escape");
    const other = await browser.newContext();
    try {
      const bob = await Desk.open(other, server.url, { tenantId, agent: "bob" });
      await bob.choose("Ada");
      await untilEqual("he has it too", () => bob.replies(), ["Greeting"]);
      await ann.page.locator(".me-who").click();
      await ann.type("Away");
      await ann.press("Enter");
      await untilEqual("she is away", () => ann.page.locator(".me-state").textContent(), "Away");
      await ann.page.locator(".me-who").click();
      await ann.type("Ann of Sales");
      await ann.press("Enter");
      const hers = bob.page.locator(".palette-row").filter({ hasText: "Ann of Sales" });
      const seen = async () => {
        await bob.press("Escape", "a");
        return hers.locator(".palette-note").allTextContents();
      };
      await untilEqual("he sees both", seen, ["Away"]);
      await untilEqual("still", () => ann.page.locator(".me-state").textContent(), "Away");
    } finally {
      await other.close();
    }
  }));

test("the visitor's name and e-mail can be put right, and the e-mail finds the conversation", () =>
  withProfile(browser, async (context) => {
    const { tenantId } = await visitors(["Ada", "Bo"]);
    const desk = await Desk.open(context, server.url, { tenantId, agent: "ann" }, (page) =>
      page.setViewportSize({ width: 1440, height: 900 }),
    );
    await desk.choose("Ada");
    const email = desk.page.locator(".quiet-field.for-email");
    await email.fill("countess@example.org");
    await email.press("Enter");
    await untilEqual("saved", () => desk.toast(), "Saved");
    const search = desk.page.getByLabel("Search by e-mail");
    await search.fill("bo@example.com");
    await search.press("Enter");
    await untilEqual("one is found", () => desk.names(), ["Bo"]);
    await search.fill("countess@example.org");
    await search.press("Enter");
    await untilEqual("the new address counts", () => desk.names(), ["Ada"]);
    await search.fill("");
    await search.press("Enter");
    await untilEqual("all again", () => desk.names(), ["Ada", "Bo"]);
  }));

test("that a visitor closes and rates is told in the conversation", () =>
  withProfile(browser, async (context) => {
    const {
      tenantId,
      visitors: [ada],
    } = await visitors(["Ada"]);
    const desk = await Desk.open(context, server.url, { tenantId, agent: "ann" });
    await desk.choose("Ada");
    await ada?.call("POST", "close");
    await untilEqual("closed", () => desk.lines(), ["The visitor closed the conversation"]);
    await ada?.call("POST", "rating", { score: 4, comment: "quick <b>and</b> kind" });
    const rating = desk.page.locator(".rating-entry q");
    await untilEqual("rated", () => rating.allTextContents(), ["quick <b>and</b> kind"]);
  }));

test("an answer written while the server is away is sent once", restarts, () =>
  withProfile(browser, async (context) => {
    const {
      tenantId,
      visitors: [ada],
    } = await visitors(["Ada"]);
    const desk = await Desk.open(context, server.url, { tenantId, agent: "ann" });
    await desk.choose("Ada");
    await untilEqual("loaded", () => desk.texts(), ["question of Ada"]);
    await server.stop("SIGKILL");
    try {
      await desk.page.locator(".offline").waitFor();
      await desk.press("r");
      await desk.type("while you were away");
      await desk.press("Enter");
      await desk.page.locator(".is-pending").waitFor();
    } finally {
      await server.start();
    }
    const both = ["question of Ada", "while you were away"];
    await untilEqual("the agent sees it once", () => desk.texts(), both);
    await untilEqual("the visitor too", () => ada?.texts(), both);
    await untilEqual("nothing waits", () => desk.page.locator(".is-pending").count(), 0);
  }),
);

test("the first minute: what is written in the shop opens beside it, and rings", () =>
  withProfile(
    browser,
    async (context) => {
      const page = await visit(context, `${server.url}/?tenantId=${newTenant()}`);
      const chat = page.frameLocator("#shop").frameLocator("parlor-chat iframe");
      const desk = page.frameLocator("#desk");
      await chat.locator("#log[aria-busy=false]").waitFor({ state: "attached" });
      await desk.locator("html[data-connection=online]").waitFor();
      await chat.locator("#text").fill("Is anybody there?");
      await chat.locator("#text").press("Enter");
      const said = desk.locator(".thread-log .text");
      await untilEqual("it opens", () => said.allTextContents(), ["Is anybody there?"]);
      await desk.locator("html[data-rang]").waitFor();
      await desk.locator(".composer-field").fill("Good day!");
      await desk.locator(".composer-field").press("Enter");
      // Who has just sent a message is told of as typing 3 s later at the soonest.
      await chat.locator("#text").pressSequentially("I will look for it", { delay: 250 });
      await desk.locator(".typing-line").waitFor();
      await desk.locator(".row .presence").waitFor();
      const seen = chat.locator(".bubble");
      await untilEqual("the shop has the answer", () => seen.allTextContents(), [
        "Is anybody there?",
        "Good day!",
      ]);
    },
    { viewport: { width: 1440, height: 900 } },
  ));

test("the dashboard's policy allows its own files and nothing inline", async () => {
  const policy =
    (await fetch(`${server.url}/dashboard`)).headers.get("Content-Security-Policy") ?? "";
  const allowed = policy.split(/[\s;]+/).filter((word) => /^'|:|\*/.test(word));
  const known = ["'self'", "'none'", "'script'"];
  assert.deepEqual(
    allowed.filter((word) => !known.includes(word)),
    [],
  );
  assert.match(policy, /require-trusted-types-for 'script'/);
});
