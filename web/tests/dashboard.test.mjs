/**
 * @file The dashboard in a real browser, against the fake server: what needs a day, a crowd, or a
 *   server that is away. What it is against the real one is in `dashboard-server.test.mjs`.
 */

import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { gzipSync } from "node:zlib";

import { launch, noComplaints } from "./support/browser.mjs";
import { Desk, withProfile } from "./support/desk.mjs";
import { playDay } from "./support/fake-day.mjs";
import { FakeServer } from "./support/fake-server.mjs";
import { HOSTILE } from "./support/hostile.mjs";
import { until, untilEqual } from "./support/until.mjs";

/** @import {Browser} from "playwright-core" */

/** @type {FakeServer} */
let server;
/** @type {Browser} */
let browser;

before(async () => {
  browser = await launch();
});
after(() => browser?.close());
beforeEach(async () => {
  server = await FakeServer.begin();
});
afterEach(() => {
  server.end();
  noComplaints();
});

test("a shift by keyboard alone: open, reply, note, claim, label, snooze, close, next", () =>
  withProfile(browser, async (context) => {
    for (const [id, name] of [
      ["a", "Ada"],
      ["b", "Bo"],
      ["c", "Cy"],
    ]) {
      server.add(String(id), { visitor: { name } });
    }
    for (const [at, id] of ["c", "b", "a"].entries()) {
      server.say(id, `question of ${id}`, {
        timestamp: new Date(Date.now() + at - 60_000).toISOString(),
      });
    }
    const desk = await Desk.open(context, server.url);
    await untilEqual("three wait", () => desk.names(), ["Ada", "Bo", "Cy"]);
    await desk.press("j");
    await untilEqual("the first is open", () => desk.openName(), "Ada");
    await untilEqual("with its text", () => desk.texts(), ["question of a"]);
    await desk.press("r");
    await desk.type("an answer");
    await desk.press("Enter");
    await untilEqual("it was sent", () => server.texts("a"), ["question of a", "an answer"]);
    await desk.press("Escape", "n");
    await desk.type("of the team");
    await desk.press("Enter");
    await untilEqual("the note is there", () => desk.texts(), [
      "question of a",
      "an answer",
      "of the team",
    ]);
    assert.deepEqual(server.texts("a"), ["question of a", "an answer"], "the visitor is not told");
    await desk.press("Escape", "i");
    await untilEqual("claimed", () => server.conversation("a").assignee, "ann");
    await desk.press("l");
    await desk.type("urgent");
    await desk.press("Enter", "Escape");
    await untilEqual("labelled", () => server.conversation("a").labels, ["urgent"]);
    await desk.press("e");
    await untilEqual("closed", () => server.conversation("a").status, "closed");
    await untilEqual("the next is open", () => desk.openName(), "Bo");
    await desk.press("z");
    await desk.press("ArrowDown", "Enter");
    await untilEqual("snoozed", () => server.conversation("b").status, "snoozed");
    const until = new Date(server.conversation("b").until);
    assert.deepEqual([until.getHours(), until.getMinutes()], [9, 0], "until tomorrow at 9");
    await untilEqual("the next is open", () => desk.openName(), "Cy");
    await desk.press("?");
    await desk.page.getByRole("dialog", { name: "Keyboard shortcuts" }).waitFor();
    await desk.press("Escape", "Control+k");
    await desk.type("go to closed");
    await desk.press("Enter");
    await untilEqual("the closed one", () => desk.names(), ["Ada"]);
  }));

test("letters in a text field are text, and shortcuts can be turned off", () =>
  withProfile(browser, async (context) => {
    server.say("a", "hello");
    const desk = await Desk.open(context, server.url);
    await desk.page.locator(".row").waitFor();
    await desk.press("j", "r");
    await desk.type("i e z l j k ?");
    assert.equal(await desk.page.locator(".composer-field").inputValue(), "i e z l j k ?");
    assert.equal(server.conversation("a").status, "open");
    await desk.press("Escape", "?");
    await desk.page.getByLabel("Use shortcuts of one letter").uncheck();
    await desk.press("Escape", "e", "i", "n");
    await desk.type("x");
    await desk.press("Control+k");
    await desk.page.getByRole("combobox").waitFor();
    assert.equal(server.conversation("a").status, "open");
    assert.equal(server.conversation("a").assignee, null);
  }));

test("names, texts, labels and all else that others wrote are text", () =>
  withProfile(browser, async (context) => {
    assert.ok(HOSTILE.length >= 20);
    for (const [at, text] of HOSTILE.entries()) {
      const id = server.add(`h${at}`, {
        visitor: { name: text, email: text, locale: text, attributes: { [text]: text } },
        labels: [text.slice(0, 60) || "x"],
        team: text,
        assignee: text,
      });
      const timestamp = new Date(Date.now() - 600_000 + at * 10_000).toISOString();
      server.say(id, text, { timestamp });
      server.say(id, text, { timestamp, sender: "agent", author: { id: text, name: text } });
      server.note(id, { text, author: { id: text, name: text } });
      server.change(
        id,
        { assignee: text, team: text, labels: { add: [text] } },
        { id: text, name: text },
      );
      server.rate(id, 1, text);
    }
    const desk = await Desk.open(context, server.url, {}, (page) =>
      page.addInitScript(() => Object.assign(window, { executed: [] })),
    );
    await desk.page.locator(".row").first().waitFor();
    for (const [at, text] of [...HOSTILE.entries()].reverse()) {
      await desk.press("j");
      const said = () => desk.page.locator(".thread-log p.text").allTextContents();
      await untilEqual(`hostile text ${at} is shown as it is`, said, [text, text, text]);
    }
    server.signal({
      type: "typing",
      conversationId: "h0",
      by: "agent",
      author: { id: HOSTILE[0], name: HOSTILE[0] },
      on: true,
    });
    await desk.press("a");
    await desk.page.locator(".palette-row").first().waitFor();
    assert.deepEqual(await desk.page.evaluate(() => /** @type {any} */ (window).executed), []);
    const made = desk.page.locator(
      ".app :is(img, script, iframe, object, b.x, form form, a[href^='javascript'])",
    );
    assert.equal(await made.count(), 0);
  }));

test("10,000 conversations: few rows are in the page, and each says where it stands", () =>
  withProfile(browser, async (context) => {
    const start = Date.parse("2026-01-01T00:00:00.000Z");
    for (let at = 0; at < 10_000; at += 1) {
      const id = server.add(`c${at}`, { visitor: { name: `Visitor ${at}` } });
      server.say(id, `text ${at}`, { timestamp: new Date(start + at * 1000).toISOString() });
    }
    const desk = await Desk.open(context, server.url);
    const rows = desk.page.locator(".row");
    const bottom = () =>
      desk.page.evaluate(() => {
        const scroll = /** @type {Element} */ (document.querySelector(".list-scroll"));
        scroll.scrollTop = scroll.scrollHeight;
        return document.querySelectorAll(".row").length;
      });
    let most = 0;
    const first = async () => {
      most = Math.max(most, await bottom());
      return (await desk.names()).includes("Visitor 0");
    };
    await until("the oldest is reached", first, 120_000);
    assert.ok(most > 5 && most < 60, `${most} rows at most`);
    const row = desk.page.locator(".row", { hasText: /^V0Visitor 0$|Visitor 0\D/ }).last();
    await untilEqual("it knows its place", () => row.getAttribute("aria-posinset"), "10000");
    await untilEqual("and how many there are", () => row.getAttribute("aria-setsize"), "10000");
    await row.click();
    await untilEqual("it opens", () => desk.openName(), "Visitor 0");
    assert.ok((await rows.count()) < 60);
  }));

test("the list holds still under the pointer, and says that something has moved", () =>
  withProfile(browser, async (context) => {
    for (const name of ["One", "Two", "Three"]) server.add(name, { visitor: { name } });
    for (const [at, name] of ["One", "Two", "Three"].entries()) {
      server.say(name, "hello", { timestamp: new Date(Date.now() + at - 60_000).toISOString() });
    }
    const desk = await Desk.open(context, server.url);
    await untilEqual("three", () => desk.names(), ["Three", "Two", "One"]);
    await desk.page.locator(".row").first().hover();
    server.say("One", "once more");
    await desk.page.locator(".fresh").waitFor();
    assert.deepEqual(await desk.names(), ["Three", "Two", "One"]);
    const preview = desk.page.locator(".row", { hasText: "One" }).locator(".row-preview");
    assert.equal(await preview.textContent(), "once more", "what a row says is fresh");
    await desk.page.mouse.move(900, 300);
    await untilEqual("it moves now", () => desk.names(), ["One", "Three", "Two"]);
  }));

test("what is written while the server is away is kept over a reload, and sent once", () =>
  withProfile(browser, async (context) => {
    const id = server.add("a", { visitor: { name: "Ada" } });
    server.say(id, "question");
    server.add("b", { visitor: { name: "Bo" } });
    server.say("b", "another");
    const desk = await Desk.open(context, server.url);
    await desk.choose("Ada");
    await untilEqual("it is loaded", () => desk.texts(), ["question"]);
    server.leave();
    await desk.page.locator(".offline").waitFor();
    assert.match((await desk.page.locator(".offline").textContent()) ?? "", /offline.*\d/);
    await desk.press("r");
    await desk.type("sent while away");
    await desk.press("Enter");
    const waiting = desk.page.locator(".is-pending .text");
    await untilEqual("it waits", () => waiting.allTextContents(), ["sent while away"]);
    await desk.type("not finished");
    await desk.page.reload();
    server.back();
    await desk.connected();
    await untilEqual("it was sent", () => server.texts(id), ["question", "sent while away"]);
    await desk.choose("Ada");
    await untilEqual("it is there once", () => desk.texts(), ["question", "sent while away"]);
    assert.equal(await waiting.count(), 0);
    const field = desk.page.locator(".composer-field");
    assert.equal(await field.inputValue(), "not finished", "what was begun is kept");
    await desk.choose("Bo");
    assert.equal(await field.inputValue(), "", "for its own conversation");
    await desk.choose("Ada");
    assert.equal(await field.inputValue(), "not finished");
  }));

test("where something may be missing there is a line, until it is loaded again", () =>
  withProfile(browser, async (context) => {
    const id = server.add("a", { visitor: { name: "Ada" } });
    server.say(id, "before");
    let down = false;
    const desk = await Desk.open(context, server.url, {}, (page) =>
      page.route("**/timeline*", (route) =>
        down ? route.fulfill({ status: 500, body: "" }) : route.fallback(),
      ),
    );
    await desk.choose("Ada");
    await untilEqual("loaded", () => desk.texts(), ["before"]);
    down = true;
    server.recovers = false;
    server.leave();
    await desk.page.locator(".offline").waitFor();
    server.say(id, "missed");
    server.back();
    await desk.page.locator(".gap-line").waitFor();
    down = false;
    await untilEqual("loaded again", () => desk.texts(), ["before", "missed"]);
    await untilEqual("no line", () => desk.page.locator(".gap-line").count(), 0);
  }));

test("of two agents who claim, one wins, and the other is told who", () =>
  withProfile(browser, async (context) => {
    server.add("a", { visitor: { name: "Ada" } });
    server.say("a", "question");
    const [ann, bob] = [
      await Desk.open(context, server.url, { agent: "ann" }),
      await Desk.open(context, server.url, { agent: "bob" }),
    ];
    await ann.choose("Ada");
    await bob.choose("Ada");
    await untilEqual(
      "each sees the other",
      () => ann.page.locator(".presence-line").textContent(),
      "Bob Grant reads this too",
    );
    await Promise.all([ann.press("i"), bob.press("i")]);
    const toasts = async () => [await ann.toast(), await bob.toast()].sort();
    const winner = await until("somebody has it", () => server.conversation("a").assignee);
    const name = winner === "ann" ? "Ann Meyer" : "Bob Grant";
    await untilEqual("both know", toasts, ["It is yours.", `${name} has it already.`].sort());
  }));

test("it rings in one tab only, and the title counts what is unread", () =>
  withProfile(browser, async (context) => {
    server.say("a", "first");
    const tabs = [await Desk.open(context, server.url), await Desk.open(context, server.url)];
    await untilEqual("it counts", () => tabs[0]?.page.title(), "(1) Parlor");
    server.say("b", "second");
    const rang = async () => {
      const all = await Promise.all(
        tabs.map(({ page }) => page.locator("html").getAttribute("data-rang")),
      );
      return all.filter(Boolean).length;
    };
    await Promise.all(tabs.map(({ page }) => page.locator(".row").nth(1).waitFor()));
    await untilEqual("one rings", rang, 1);
    await untilEqual(
      "both count",
      async () => [await tabs[0]?.page.title(), await tabs[1]?.page.title()],
      ["(2) Parlor", "(2) Parlor"],
    );
  }));

test("on the smallest phone every pane fits, one at a time", () =>
  withProfile(
    browser,
    async (context) => {
      playDay(server);
      const long = server.add("long", {
        visitor: { name: "N".repeat(200), email: `${"e".repeat(200)}@x.example` },
        labels: ["l".repeat(64)],
        team: "t".repeat(64),
      });
      server.say(long, `${"long".repeat(200)} https://example.com/${"path/".repeat(60)}`);
      const desk = await Desk.open(context, server.url);
      const fits = async (/** @type {string} */ pane) => {
        assert.ok((await desk.tooWide()) <= 0, `${pane}: ${await desk.tooWide()} px too wide`);
      };
      await desk.page.locator(".row").first().waitFor();
      await fits("list");
      await desk.page.locator(".row").first().click();
      await desk.page.locator(".thread-log .text").first().waitFor();
      assert.equal(await desk.page.locator(".list").isVisible(), false);
      await fits("conversation");
      await desk.page.getByRole("button", { name: "Details", exact: true }).click();
      await desk.page.locator(".details").waitFor();
      await fits("details");
      await desk.page.getByRole("button", { name: "Close the details" }).click();
      await desk.page.getByRole("button", { name: "Back to the list" }).click();
      await desk.page.getByRole("button", { name: "Views" }).click();
      await desk.page.locator(".views").waitFor();
      await fits("views");
      await desk.page.locator(".view", { hasText: "Snoozed" }).click();
      await untilEqual("the snoozed ones", async () => (await desk.names()).length, 2);
    },
    { viewport: { width: 320, height: 640 } },
  ));

test("from right to left nothing is cut off", () =>
  withProfile(browser, async (context) => {
    playDay(server);
    const desk = await Desk.open(context, server.url, {}, (page) =>
      page.addInitScript(() =>
        addEventListener("DOMContentLoaded", () => (document.documentElement.dir = "rtl")),
      ),
    );
    await desk.choose("Clara Lindqvist");
    await desk.page.locator(".thread-log .text").first().waitFor();
    assert.ok((await desk.tooWide()) <= 0);
    const [list, thread] = await Promise.all(
      [".list", ".thread"].map((pane) => desk.page.locator(pane).boundingBox()),
    );
    assert.ok((list?.x ?? 0) > (thread?.x ?? 0), "the list is on the right");
  }));

test("a token is pasted where the server gives none, and one that ends keeps the text", () =>
  withProfile(browser, async (context) => {
    server.say("a", "question");
    const token = await (await fetch(`${server.url}/demo/agent-token`)).json();
    const page = await context.newPage();
    await page.route("**/demo/agent-token*", (route) => route.fulfill({ status: 404, body: "" }));
    await page.goto(`${server.url}/dashboard`);
    await page.getByLabel("Token").fill("nonsense");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByText("does not look like a token").waitFor();
    await page.getByLabel("Token").fill(token.token);
    await page.getByRole("button", { name: "Sign in" }).click();
    const desk = new Desk(page);
    await desk.connected();
    await page.locator(".row").waitFor();
    await desk.press("j", "r");
    await desk.type("half a sentence");
    server.refuse();
    await page.getByText("Your token has ended").waitFor();
    server.refusing = false;
    await page.getByLabel("Token").fill(token.token);
    await page.getByRole("button", { name: "Sign in" }).click();
    await desk.connected();
    assert.equal(await page.locator(".composer-field").inputValue(), "half a sentence");
  }));

test("all of it is at most 110 KB when it is gzipped", async () => {
  const web = new URL("../", import.meta.url);
  /** @type {Map<string, number>} */
  const sizes = new Map();
  const follow = async (/** @type {URL} */ url) => {
    if (sizes.has(url.pathname)) return;
    const bytes = await readFile(url);
    sizes.set(url.pathname, gzipSync(bytes).length);
    const imports = bytes.toString("utf8").matchAll(/^(?:import|export) [^;]*from "(\.[^"]+)"/gm);
    if (url.pathname.endsWith(".js"))
      for (const [, path = ""] of imports) await follow(new URL(path, url));
  };
  await follow(new URL("dashboard/index.html", web));
  await follow(new URL("dashboard/dashboard.js", web));
  await follow(new URL("ui/tokens.css", web));
  for (const file of await readdir(new URL("dashboard/", web))) {
    if (/\.(css|svg)$/.test(file)) await follow(new URL(`dashboard/${file}`, web));
  }
  const total = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  console.log(`the dashboard: ${sizes.size} files, ${(total / 1024).toFixed(1)} KB gzipped`);
  assert.ok(total <= 110 * 1024, `${total} bytes`);
});
