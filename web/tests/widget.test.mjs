/**
 * @file The released widget's contract in a real browser, by the page that stands for that widget.
 */

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";

import { Agent, newTenant } from "./support/agent.mjs";
import { noComplaints } from "./support/browser.mjs";
import { freePort } from "./support/server.mjs";
import { restarts, Stage } from "./support/stage.mjs";
import { until, untilEqual } from "./support/until.mjs";

/** @import {Visitor} from "./support/stage.mjs" */

/** @type {Stage} */
let stage;

before(async () => {
  stage = await Stage.begin();
});
after(() => stage?.end());
afterEach(noComplaints);

/** @param {(visitor: Visitor) => Promise<void>} body @param {string} [tenantId] */
const withVisitor = (body, tenantId) => stage.withVisitor(body, tenantId ? { tenantId } : {});

/** The base of a socket that cannot be opened: a network without WebSockets. */
const noSocket = async () => `ws://localhost:${await freePort()}/ws/chat`;

test("the first load shows an empty chat", () =>
  withVisitor(async ({ agent, open }) => {
    const widget = await open();
    await widget.online();
    assert.deepEqual(await widget.texts(), []);
    assert.deepEqual(await agent.conversations(), [], "a page view leaves no record");
  }));

test("what is sent is answered", () =>
  withVisitor(async ({ agent, open }) => {
    const widget = await open();
    await widget.online();
    await widget.send("Hello?");
    const conversation = await agent.conversationWith("Hello?");
    await agent.reply(conversation, "Good day!");
    await widget.shows(["Hello?", "Good day!"]);
    assert.deepEqual(await agent.history(conversation), ["Hello?", "Good day!"]);
  }));

test("the same text twice is two messages", () =>
  withVisitor(async ({ agent, open }) => {
    const widget = await open();
    await widget.online();
    await widget.send("yes");
    await widget.send("yes");
    const conversation = await agent.conversationWith("yes");
    await untilEqual("both are there", () => agent.history(conversation), ["yes", "yes"]);
    await agent.reply(conversation, "yes");
    await widget.shows(["yes", "yes", "yes"]);
    await widget.reload();
    await widget.shows(["yes", "yes", "yes"]);
  }));

test("odd texts arrive as they were written and are shown as text", () =>
  withVisitor(async ({ agent, open }) => {
    const odd = [
      "👩‍👩‍👧‍👦 🦀 é é",
      "שלום \u{202e}abc\u{202c} مرحبا",
      '<img src=x onerror="alert(1)"><script>alert(2)</script>',
      '{"type":"message","message":null}',
      "é".repeat(8192),
      "x".repeat(16_384),
    ];
    const widget = await open();
    await widget.online();
    for (const text of odd) await widget.send(text);
    const conversation = await agent.conversationWith("x".repeat(16_384));
    assert.deepEqual(await agent.history(conversation), odd);
    for (const text of odd) await agent.reply(conversation, text);
    await widget.shows([...odd, ...odd]);
    await widget.reload();
    await widget.shows([...odd, ...odd]);
    assert.equal(await widget.page.locator("#messages img, #messages script").count(), 0);
  }));

test("a reload keeps the history, and what comes after it", () =>
  withVisitor(async ({ agent, open }) => {
    const widget = await open();
    await widget.online();
    await widget.send("one");
    const conversation = await agent.conversationWith("one");
    await agent.reply(conversation, "two");
    await widget.shows(["one", "two"]);
    await widget.reload();
    await widget.shows(["one", "two"]);
    await widget.online();
    await agent.reply(conversation, "three");
    await widget.send("four");
    await untilEqual("each once", async () => (await widget.texts()).sort(), [
      "four",
      "one",
      "three",
      "two",
    ]);
    await until("the last is stored", async () =>
      (await agent.history(conversation)).includes("four"),
    );
    await widget.reload();
    await widget.shows(await agent.history(conversation));
  }));

test("a reload right after a cold page's first message does not lose it", () =>
  withVisitor(async ({ agent, open }) => {
    const widget = await open();
    await widget.online();
    await widget.send("first, and gone");
    await widget.reload();
    await widget.shows(["first, and gone"]);
    await agent.reply(await agent.conversationWith("first, and gone"), "still here");
    await widget.shows(["first, and gone", "still here"]);
  }));

test("two tabs have each message once", () =>
  withVisitor(async ({ agent, open }) => {
    const one = await open();
    await one.online();
    const other = await open();
    await other.online();
    await one.send("from the first tab");
    await other.shows(["from the first tab"]);
    await other.send("from the second");
    await one.shows(["from the first tab", "from the second"]);
    await agent.reply(await agent.conversationWith("from the second"), "to both");
    const all = ["from the first tab", "from the second", "to both"];
    await Promise.all([one.shows(all), other.shows(all)]);
    assert.equal((await agent.conversations()).length, 1);
  }));

test("a visitor's tenants are apart", () =>
  withVisitor(async ({ agent, open }) => {
    const elsewhere = newTenant();
    const [here, there] = [await open(), await open({ tenantId: elsewhere })];
    await Promise.all([here.online(), there.online()]);
    await here.send("to the one");
    await there.send("to the other");
    const otherAgent = new Agent(stage.server, elsewhere);
    await agent.reply(await agent.conversationWith("to the one"), "from the one");
    await otherAgent.reply(await otherAgent.conversationWith("to the other"), "from the other");
    await Promise.all([
      here.shows(["to the one", "from the one"]),
      there.shows(["to the other", "from the other"]),
    ]);
    await here.reload();
    await here.shows(["to the one", "from the one"]);
    assert.equal((await agent.conversations()).length, 1);
  }));

test("a tenant's visitors are apart", () =>
  withVisitor((first) =>
    withVisitor(async (second) => {
      const [one, other] = [await first.open(), await second.open()];
      await Promise.all([one.online(), other.online()]);
      await one.send("I am one");
      await other.send("I am the other");
      const { agent } = first;
      await agent.reply(await agent.conversationWith("I am one"), "to one");
      await agent.reply(await agent.conversationWith("I am the other"), "to the other");
      await one.shows(["I am one", "to one"]);
      await other.shows(["I am the other", "to the other"]);
      await other.reload();
      await other.shows(["I am the other", "to the other"]);
    }, first.tenantId),
  ));

test("without any WebSocket the chat works by GET and POST", () =>
  withVisitor(async ({ agent, open }) => {
    const widget = await open({ socket: await noSocket() });
    assert.equal(await widget.state(), "Offline");
    await widget.send("by POST");
    await widget.shows(["by POST"]);
    await widget.send("and again");
    await widget.shows(["by POST", "and again"]);
    const conversation = await agent.conversationWith("and again");
    assert.deepEqual(await agent.history(conversation), ["by POST", "and again"]);
    await agent.reply(conversation, "seen after a reload");
    await widget.reload();
    await widget.shows(["by POST", "and again", "seen after a reload"]);
  }));

test("one tab on POST and one on the socket are one visitor", () =>
  withVisitor(async ({ agent, open }) => {
    const live = await open();
    await live.online();
    const posting = await open({ socket: await noSocket() });
    await posting.send("by POST");
    await posting.shows(["by POST"]);
    await live.shows(["by POST"]);
    await live.send("by socket");
    const conversation = await agent.conversationWith("by socket");
    await agent.reply(conversation, "to both");
    const all = ["by POST", "by socket", "to both"];
    await live.shows(all);
    await posting.reload();
    await posting.shows(all);
    assert.equal((await agent.conversations()).length, 1);
  }));

for (const signal of /** @type {const} */ (["SIGTERM", "SIGKILL"])) {
  test(`a restart after ${signal} with a tab open loses and doubles nothing`, restarts, () =>
    withVisitor(async ({ agent, open }) => {
      const widget = await open();
      await widget.online();
      await widget.send("before");
      const conversation = await agent.conversationWith("before");
      await agent.reply(conversation, "seen before");
      await widget.shows(["before", "seen before"]);
      await stage.noted();
      await stage.server.stop(signal);
      await untilEqual("the widget is offline", () => widget.state(), "Offline");
      await stage.server.start();
      await widget.online();
      await widget.send("after");
      await until("it is stored", async () =>
        (await agent.history(conversation)).includes("after"),
      );
      await agent.reply(conversation, "the end");
      const all = ["before", "seen before", "after", "the end"];
      await widget.shows(all);
      await widget.reload();
      await widget.shows(all);
    }),
  );
}

test("with both channels down the text is given back", restarts, () =>
  withVisitor(async ({ open }) => {
    const widget = await open();
    await widget.online();
    await stage.server.stop();
    try {
      await untilEqual("the widget is offline", () => widget.state(), "Offline");
      await widget.send("not now");
      await untilEqual("it is back", () => widget.page.locator("#text").inputValue(), "not now");
    } finally {
      await stage.server.start();
    }
  }),
);

for (const path of ["/ws/chat", "/ws/chat/", "/"]) {
  test(`an upgrade on ${path}?tenantId=… is answered`, () =>
    withVisitor(async ({ agent, open }) => {
      const widget = await open({ path });
      await widget.online();
      await widget.send(`by ${path}`);
      await agent.reply(await agent.conversationWith(`by ${path}`), "and back");
      await widget.shows([`by ${path}`, "and back"]);
    }));
}
