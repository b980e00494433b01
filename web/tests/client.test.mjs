/**
 * @file The client module in a real browser, against a real server. The tests read and change the
 *   frames between them.
 */

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { Agent, newTenant } from "./support/agent.mjs";
import { launch, noComplaints } from "./support/browser.mjs";
import { ClientPage } from "./support/client-page.mjs";
import { Server } from "./support/server.mjs";
import { until } from "./support/until.mjs";

/** @import {Browser, BrowserContext, Page} from "playwright-core" */
/** @import {Frame} from "./support/client-page.mjs" */

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
 * @param {(visitor: {context: BrowserContext, tenantId: string, agent: Agent, open: (prepare?:
 *   (page: Page) => Promise<unknown>) => Promise<ClientPage>}) => Promise<void>} body `open` gives
 *   a page without a client yet
 */
async function withContext(body) {
  const context = await browser.newContext();
  const tenantId = newTenant();
  try {
    const open = (/** @type {((page: Page) => Promise<unknown>) | undefined} */ prepare) =>
      ClientPage.open(context, server, prepare);
    await body({ context, tenantId, agent: new Agent(server, tenantId), open });
  } finally {
    await context.close();
  }
}

test("a visitor without cookies is the same visitor after a reload", () =>
  withContext(async ({ context, tenantId, open }) => {
    const client = await open();
    await client.connect({ tenantId, credential: "token" });
    await client.connected();
    const conversation = await client.conversationId();
    await client.send("by token");
    await client.shows(["by token"]);
    await context.clearCookies();
    await client.page.reload();
    await client.connect({ tenantId, credential: "token" });
    await client.connected();
    assert.equal(await client.conversationId(), conversation);
    await client.shows(["by token"]);
    assert.match(client.wire.sentOf("hello").at(-1)?.token ?? "", /^vt_/);
  }));

test("a proxy's refusal does not make a new visitor", () =>
  withContext(async ({ tenantId, open }) => {
    const client = await open();
    await client.connect({ tenantId, credential: "token" });
    await client.connected();
    const conversation = await client.conversationId();
    await client.send("it is me");
    await client.shows(["it is me"]);
    await client.page.reload();
    const refuse = (/** @type {import("playwright-core").Route} */ route) =>
      route.fulfill({ status: 401, body: "no" });
    await client.page.route("**/api/chat/**", refuse);
    await client.connect({ tenantId, credential: "token" });
    await client.stateIs("closed");
    await client.page.unroute("**/api/chat/**", refuse);
    await client.page.evaluate("client.connect()");
    await client.connected();
    assert.equal(await client.conversationId(), conversation);
    await client.shows(["it is me"]);
  }));

test("a visitor whose token does not verify is made anew, and keeps the new one", () =>
  withContext(async ({ tenantId, open }) => {
    const client = await open();
    await client.connect({ tenantId, credential: "token" });
    await client.connected();
    const first = await client.conversationId();
    await client.page.evaluate(`(() => {
      const [key] = Object.keys(localStorage).filter((name) => name.startsWith("parlor:token:"));
      localStorage.setItem(key, "vt_of-another-installation");
    })()`);
    await client.page.reload();
    await client.connect({ tenantId, credential: "token" });
    await client.connected();
    const second = await client.conversationId();
    assert.notEqual(second, first);
    await client.page.reload();
    await client.connect({ tenantId, credential: "token" });
    await client.connected();
    assert.equal(await client.conversationId(), second);
  }));

test("a draft of another day is told of, also when the page before was closed too early", () =>
  withContext(async ({ tenantId, open }) => {
    const client = await open();
    await client.connect({ tenantId });
    await client.send("written in vain");
    await client.page.evaluate(`(() => {
      client.close();
      const drafts = Object.keys(localStorage).filter((name) => name.startsWith("parlor:draft:"));
      for (const key of drafts) {
        const draft = JSON.parse(localStorage.getItem(key));
        localStorage.setItem(key, JSON.stringify({ ...draft, madeAt: draft.madeAt - 90_000_000 }));
      }
    })()`);
    await client.page.reload();
    // This page makes its client, and is gone before the server has answered.
    await client.page.route("**/api/chat/session", () => {});
    await client.connect({ tenantId });
    await client.page.reload();
    await client.page.unroute("**/api/chat/session");
    await client.connect({ tenantId });
    await until("it is told", async () => (await client.noted("failed")).length === 1);
    const [failed] = await client.noted("failed");
    assert.deepEqual([failed?.text, failed?.error], ["written in vain", "expired"]);
  }));

test("after a loss the client goes on from the last cursor of the stream", () =>
  withContext(async ({ tenantId, agent, open }) => {
    const client = await open();
    await client.connect({ tenantId });
    await client.connected();
    await client.send("one");
    await client.shows(["one"]);
    await until("accepted", async () => (await client.noted("accepted")).length === 1);
    const { cursor } =
      client.wire.received.filter(({ type }) => type === "message").at(-1)?.message ?? {};
    client.wire.push({ type: "reconnect", afterMs: 1730, code: 4001 });
    await client.wire.close(4001);
    await client.stateIs("waiting");
    const [waiting] = (await client.noted("state")).filter(({ state }) => state === "waiting");
    assert.equal(waiting?.retryInMs, 1730, "the server named the delay");
    await agent.reply(await client.conversationId(), "said meanwhile");
    await client.connected();
    assert.equal(client.wire.sentOf("subscribe").at(-1)?.since, cursor);
    await client.shows(["one", "said meanwhile"]);
    assert.deepEqual(await client.noted("gap"), []);
  }));

test("a position that cannot be proven is a gap, filled from history without repeats", () =>
  withContext(async ({ tenantId, agent, open }) => {
    const client = await open();
    await client.connect({ tenantId });
    await client.connected();
    await client.send("before");
    await client.shows(["before"]);
    client.wire.outgoing = (frame) =>
      frame.type === "subscribe" ? { ...frame, since: "forged" } : frame;
    client.wire.push({ type: "reconnect", afterMs: 1500, code: 4001 });
    await client.wire.close(4001);
    await client.stateIs("waiting");
    const conversation = await client.conversationId();
    await agent.reply(conversation, "missed");
    await agent.reply(conversation, "missed too");
    await client.shows(["before", "missed", "missed too"]);
    assert.equal((await client.noted("gap")).length, 1);
    await agent.reply(conversation, "live again");
    await client.shows(["before", "missed", "missed too", "live again"]);
  }));

test("a draft whose answer is lost is known again in the stream, and said once", () =>
  withContext(async ({ tenantId, agent, open }) => {
    const client = await open();
    await client.connect({ tenantId });
    await client.connected();
    client.wire.incoming = (frame) =>
      ["accepted", "message"].includes(frame.type) ? undefined : frame;
    const id = await client.send("once");
    await agent.conversationWith("once");
    await client.wire.close(4000);
    client.wire.incoming = (frame) => frame;
    await client.shows(["once"]);
    await until("accepted", async () => (await client.noted("accepted")).length === 1);
    await client.send("next");
    await client.shows(["once", "next"]);
    assert.equal(
      client.wire.sentOf("message").filter(({ clientMessageId }) => clientMessageId === id).length,
      1,
    );
  }));

test("a draft whose answer is lost, and that nothing tells of, is sent again and said once", () =>
  withContext(async ({ tenantId, agent, open }) => {
    const client = await open();
    await client.connect({ tenantId });
    await client.connected();
    client.wire.incoming = (frame) =>
      ["accepted", "message"].includes(frame.type) ? undefined : frame;
    const id = await client.send("once");
    await agent.conversationWith("once");
    await client.wire.close(4000);
    // The field is optional: without it a message does not say which draft it was.
    client.wire.incoming = ({ message, ...frame }) =>
      frame.type === "message"
        ? { ...frame, message: { ...message, clientMessageId: undefined } }
        : frame;
    await until("accepted", async () => (await client.noted("accepted")).length === 1);
    assert.equal((await client.noted("accepted"))[0]?.duplicate, true);
    assert.equal(
      client.wire.sentOf("message").filter(({ clientMessageId }) => clientMessageId === id).length,
      2,
    );
    await client.send("next");
    await client.shows(["once", "next"]);
    assert.deepEqual(await agent.history(await client.conversationId()), ["once", "next"]);
  }));

test("a refused draft fails, and the next one is sent", () =>
  withContext(async ({ tenantId, open }) => {
    const client = await open();
    await client.connect({ tenantId });
    await client.connected();
    await client.send("x".repeat(16_385));
    await client.send("x".repeat(70_000));
    await client.send("a NUL: \0");
    await client.send("half a pair: \ud83e");
    await client.shows(["half a pair: \u{fffd}"]);
    const failed = (await client.noted("failed")).map(({ error }) => error);
    assert.deepEqual(failed, ["invalid", "too_long", "invalid"]);
    const states = (await client.noted("state")).map(({ state }) => state);
    assert.deepEqual(states, ["connecting", "online"], "none of them cost the connection");
  }));

test("a draft that is put off is not overtaken", () =>
  withContext(async ({ tenantId, open }) => {
    const client = await open();
    await client.connect({ tenantId });
    await client.connected();
    let busy = true;
    client.wire.outgoing = (frame) => {
      if (frame.type !== "message" || !busy) return frame;
      busy = false;
      const error = {
        code: "busy",
        message: "busy",
        retryable: true,
        retryAfterMs: 300,
        requestId: "r",
      };
      client.wire.push({ type: "error", clientMessageId: frame.clientMessageId, error });
      return undefined;
    };
    const first = await client.send("first");
    const second = await client.send("second");
    await client.shows(["first", "second"]);
    const ids = client.wire.sentOf("message").map(({ clientMessageId }) => clientMessageId);
    assert.deepEqual(ids, [first, first, second]);
  }));

for (const code of [1001, 1012, 4000, 4002, 4003, 4499]) {
  test(`after close code ${code} the client comes back`, () =>
    withContext(async ({ tenantId, open }) => {
      const client = await open();
      await client.connect({ tenantId });
      await client.connected();
      await client.wire.close(code);
      await until("it was away", async () =>
        (await client.noted("state")).some(({ state }) => state === "waiting"),
      );
      await client.connected();
      await client.send("back");
      await client.shows(["back"]);
    }));
}

for (const code of [4500, 4504, 4999]) {
  test(`after close code ${code} the client stays away until it is told to connect`, () =>
    withContext(async ({ tenantId, open }) => {
      const client = await open();
      await client.connect({ tenantId });
      await client.connected();
      await client.wire.close(code);
      await client.stateIs("closed");
      assert.equal((await client.noted("state")).at(-1)?.error, `closed_${code}`);
      await client.send("kept for later");
      await client.page.evaluate("client.connect()");
      await client.shows(["kept for later"]);
    }));
}

test("ids carry the server's time, whatever this computer's clock says", () =>
  withContext(async ({ tenantId, open }) => {
    const client = await open((page) =>
      page.addInitScript(() => {
        const real = Date.now;
        Date.now = () => real() + 3_600_000;
      }),
    );
    await client.connect({ tenantId });
    await client.connected();
    const id = await client.send("an hour ahead");
    await client.shows(["an hour ahead"]);
    const stamped = parseInt(id.replaceAll("-", "").slice(0, 12), 16);
    assert.ok(
      Math.abs(stamped - Date.now()) < 30_000,
      `${new Date(stamped).toISOString()} is not the server's time`,
    );
  }));

test("when the network changes the client asks whether its link still lives", () =>
  withContext(async ({ tenantId, open }) => {
    const client = await open();
    await client.connect({ tenantId });
    await client.connected();
    await client.send("one");
    await client.shows(["one"]);
    await client.page.evaluate("dispatchEvent(new Event('online'))");
    await until("it asked", () => client.wire.sentOf("subscribe").length === 2);
    await client.send("two");
    await client.shows(["one", "two"]);
    client.wire.incoming = () => undefined;
    await client.page.evaluate("dispatchEvent(new Event('offline'))");
    await until("it gave the dead link up", async () => (await client.noted("state")).length > 2);
    client.wire.incoming = (frame) => frame;
    await client.connected();
    await client.send("three");
    await client.shows(["one", "two", "three"]);
  }));

test("a link that is asked twice at once, and answers, is not given up", () =>
  withContext(async ({ tenantId, open }) => {
    const client = await open();
    await client.connect({ tenantId });
    await client.connected();
    await client.page.evaluate(
      "dispatchEvent(new Event('offline')); dispatchEvent(new Event('online'))",
    );
    await until("it asked", () => client.wire.sentOf("subscribe").length > 1);
    // A link under suspicion is given up after 5 s; silence goes on.
    await pause(7000);
    await client.send("on the same link");
    await client.shows(["on the same link"]);
    assert.deepEqual(
      (await client.noted("state")).map(({ state }) => state),
      ["connecting", "online"],
    );
  }));

test("an agent's token that is refused ends it, and a new one starts it again", () =>
  withContext(async ({ tenantId, agent, open }) => {
    const client = await open();
    await client.connect({ tenantId, tokens: ["no.such.token", await agent.token()] });
    await client.stateIs("closed");
    assert.equal((await client.noted("state")).at(-1)?.error, "closed_4500");
    await client.page.evaluate("client.connect()");
    await client.connected();
  }));

test("an agent's token that ended while writing is renewed, and the answer arrives", () =>
  withContext(async ({ tenantId, agent, open }) => {
    const visitor = await open();
    await visitor.connect({ tenantId });
    await visitor.send("question");
    const conversation = await agent.conversationWith("question");
    const client = await open();
    const good = await agent.token();
    await client.connect({ tenantId, tokens: [good, "no.such.token", good] });
    await client.connected();
    // The second token is what the first refusal brings, the third what the next connection does.
    let refusals = 0;
    await client.page.route("**/api/agent/**", (route) => {
      refusals += 1;
      return refusals === 1 ? route.fulfill({ status: 401, json: {} }) : route.fallback();
    });
    await client.send("answer", conversation);
    await until("both tokens were refused", () => refusals === 2);
    assert.deepEqual(
      await client.noted("failed"),
      [],
      "a token that ended is no fault of the draft's",
    );
    await client.wire.close(4003);
    await visitor.shows(["question", "answer"]);
  }));

test("what is said between a conversation's page and the first subscription is shown", () =>
  withContext(async ({ tenantId, agent, open }) => {
    const visitor = await open();
    await visitor.connect({ tenantId });
    await visitor.send("before");
    const conversation = await agent.conversationWith("before");
    const client = await open();
    /** @type {Frame | undefined} */
    let subscribe;
    client.wire.outgoing = (frame) => {
      if (frame.type !== "subscribe") return frame;
      subscribe = frame;
      return undefined;
    };
    await client.connect({ tenantId, tokens: [await agent.token()] });
    const kept = await until("it subscribes", () => subscribe);
    await client.page.evaluate(`client.open(${JSON.stringify(conversation)})`);
    await client.shows(["before"]);
    await client.page.evaluate("client.inbox()");
    await visitor.send("in between");
    await visitor.shows(["before", "in between"]);
    client.wire.outgoing = (frame) => frame;
    client.wire.forward(kept);
    await client.connected();
    await client.shows(["before", "in between"]);
    assert.equal(
      (await client.noted("gap")).length,
      1,
      "the inbox that was read may lack something",
    );
    await visitor.send("live");
    await client.shows(["before", "in between", "live"]);
  }));

test("an agent's gap is filled in the conversations that are open", () =>
  withContext(async ({ tenantId, agent, open }) => {
    const visitor = await open();
    await visitor.connect({ tenantId });
    await visitor.send("before");
    const conversation = await agent.conversationWith("before");
    const client = await open();
    await client.connect({ tenantId, tokens: [await agent.token()] });
    await client.connected();
    await client.page.evaluate(`client.open(${JSON.stringify(conversation)})`);
    await client.shows(["before"]);
    client.wire.outgoing = (frame) =>
      frame.type === "subscribe" ? { ...frame, since: "forged" } : frame;
    client.wire.push({ type: "reconnect", afterMs: 1500, code: 4001 });
    await client.wire.close(4001);
    await client.stateIs("waiting");
    await visitor.send("missed");
    await visitor.shows(["before", "missed"]);
    await client.shows(["before", "missed"]);
    assert.equal((await client.noted("gap")).length, 1);
    await visitor.send("live again");
    await client.shows(["before", "missed", "live again"]);
  }));

test("where sockets are blocked a visitor is online by asking, until one opens again", () =>
  withContext(async ({ tenantId, agent, open }) => {
    const client = await open((page) =>
      page.addInitScript(() => {
        const Real = WebSocket;
        /** An upgrade that fails, as at a proxy that knows no sockets. */
        class Blocked extends Real {
          constructor() {
            super(new URL("/no-sockets", location.origin.replace("http", "ws")));
          }
        }
        Object.assign(globalThis, { WebSocket: Blocked, unblock: () => (WebSocket = Real) });
      }),
    );
    await client.connect({ tenantId });
    await client.send("early");
    await client.connected();
    assert.equal(await client.page.evaluate("client.polling"), true);
    assert.deepEqual(client.wire.sent, []);
    await client.send("late");
    await client.shows(["early", "late"]);
    const conversation = await client.conversationId();
    await agent.reply(conversation, "answer");
    await client.shows(["early", "late", "answer"]);
    await client.page.evaluate("unblock(); dispatchEvent(new Event('online'))");
    await until("a socket is open", () => client.page.evaluate("!client.polling"));
    await client.send("by socket");
    await client.shows(["early", "late", "answer", "by socket"]);
    assert.equal(client.wire.sentOf("message").length, 1);
    assert.deepEqual(await client.noted("gap"), []);
    assert.deepEqual(await agent.history(conversation), ["early", "late", "answer", "by socket"]);
  }));
