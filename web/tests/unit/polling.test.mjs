/** @file Where sockets are blocked the client asks, and nothing is lost or doubled by it. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { ParlorAgent } from "../../client/agent.js";
import { ParlorClient } from "../../client/parlor.js";
import { FakeServer, HOME, frame, listen, message } from "./fake-server.mjs";

/** @import {Message} from "../../client/parlor.js" */

/** A conversation that is read by pages, as the server does it. @param {FakeServer} server */
function conversation(server) {
  /** @type {Message[]} */
  const said = [];
  server.on("GET /api/chat/messages", ({ query }) => {
    const after = Number(query.get("after") ?? 0);
    const messages = said.filter(({ cursor }) => Number(cursor) > after);
    return { body: { messages, hasMore: false, cursor: `${said.length}` } };
  });
  server.on("POST /api/chat/messages", ({ body }) => {
    const known = said.find((each) => each.clientMessageId === body.clientMessageId);
    const written = known ?? say(body.text, { clientMessageId: body.clientMessageId });
    return { status: 201, body: { message: written, duplicate: known !== undefined } };
  });
  const say = (/** @type {string} */ text, more = {}) => {
    const one = message(said.length + 1, { text, ...more });
    said.push(one);
    return one;
  };
  return { said, say };
}

/** @param {import("node:test").TestContext} t */
async function blockedVisitor(t) {
  const server = new FakeServer(t);
  const { said, say } = conversation(server);
  server.blocked = true;
  const client = new ParlorClient(HOME);
  const told = listen(client, ["message", "state", "accepted", "failed", "gap"]);
  /** How many sockets were opened when the state changed last. */
  let tried = 0;
  client.addEventListener("state", () => (tried = server.sockets.length));
  const state = () => told.filter(({ type }) => type === "state").at(-1)?.detail;
  const texts = () =>
    told.filter(({ type }) => type === "message").map(({ detail }) => detail.message.text);
  await server.connect(client);
  return { server, client, said, say, told, texts, state, tried: () => tried };
}

test("after three failed upgrades in a row the client is online by asking", async (t) => {
  const { server, client, say, told, texts, state, tried } = await blockedVisitor(t);
  await server.pass(10_000);
  assert.equal(client.polling, true);
  assert.equal(tried(), 3);
  assert.deepEqual([state().state, state().polling], ["online", true]);
  assert.equal(client.conversationId, "c");
  say("one");
  await server.pass(6_100);
  say("two");
  await server.pass(6_100);
  assert.deepEqual(texts(), ["one", "two"]);
  assert.equal(told.filter(({ type }) => type === "gap").length, 0);
});

test("questions come every few seconds, and sockets are tried now and then", async (t) => {
  const { server } = await blockedVisitor(t);
  await server.pass(10_000);
  const [asked, tried] = [server.requests.length, server.sockets.length];
  await server.pass(120_000);
  const questions = server.requests.length - asked;
  assert.ok(questions >= 20 && questions <= 48, `${questions} questions in two minutes`);
  const tries = server.sockets.length - tried;
  assert.ok(tries >= 2 && tries <= 4, `${tries} sockets in two minutes`);
});

test("what is sent meanwhile is posted with the ids it has, and comes once", async (t) => {
  const { server, client, said, texts, told } = await blockedVisitor(t);
  const early = client.send("early");
  await server.pass(10_000);
  const late = client.send("late");
  await server.pass(0);
  assert.deepEqual(
    said.map(({ clientMessageId }) => clientMessageId),
    [early.clientMessageId, late.clientMessageId],
  );
  assert.deepEqual(texts(), ["early", "late"], "it is asked for at once");
  server.blocked = false;
  await server.pass(61_000);
  assert.equal(client.polling, false);
  // The socket goes on from where the stream was left, and repeats what was asked for.
  server.socket.tell(...said.map((each) => frame("message", each.cursor, each)));
  assert.deepEqual(texts(), ["early", "late"]);
  assert.equal(told.filter(({ type }) => type === "accepted").length, 2);
  assert.equal(server.asked("POST /api/chat/messages").length, 2);
});

test("a draft whose answer is lost is posted again with its id", async (t) => {
  const { server, client, said } = await blockedVisitor(t);
  await server.pass(10_000);
  const real = globalThis.fetch;
  globalThis.fetch = async (...call) => {
    const answer = await real(...call);
    if (call[1]?.method !== "POST") return answer;
    globalThis.fetch = real;
    throw new TypeError("the network is gone");
  };
  client.send("once");
  await server.pass(10_000);
  assert.deepEqual(
    said.map(({ text }) => text),
    ["once"],
  );
  assert.deepEqual(client.drafts, []);
});

test("when a socket opens the client listens again, from where the stream was left", async (t) => {
  const { server, client, say, texts, state } = await blockedVisitor(t);
  await server.pass(10_000);
  say("asked for");
  await server.pass(6_100);
  server.blocked = false;
  await server.pass(61_000);
  assert.deepEqual([state().state, state().polling, client.polling], ["online", undefined, false]);
  assert.equal(server.socket.sentOf("subscribe")[0]?.since, "0", "changes were not asked for");
  const asked = server.requests.length;
  await server.pass(20_000);
  assert.equal(server.requests.length, asked, "nothing is asked any more");
  client.send("by socket");
  assert.equal(server.socket.sentOf("message").length, 1);
  server.socket.tell(frame("message", 1, { text: "asked for" }));
  server.socket.tell(frame("message", 2, { text: "b" }));
  assert.deepEqual(texts(), ["asked for", "b"]);
});

test("while the server does not answer at all the client waits", async (t) => {
  const { server, client, say, texts } = await blockedVisitor(t);
  await server.pass(10_000);
  server.on("GET /api/chat/messages", () => ({
    status: 503,
    body: { error: { code: "unavailable", retryable: true } },
  }));
  await server.pass(6_100);
  assert.equal(client.state, "waiting");
  assert.equal(client.polling, false);
  server.on("GET /api/chat/messages", () => ({
    body: { messages: [message(1, { text: "back" })], hasMore: false },
  }));
  await server.pass(21_000);
  assert.equal(client.state, "online");
  assert.deepEqual(texts(), ["back"]);
  say("unused");
});

test("a position that the server does not know is a gap, and history fills it", async (t) => {
  const { server, say, told, texts } = await blockedVisitor(t);
  say("first");
  await server.pass(10_000);
  const error = { code: "bad_cursor", retryable: false };
  let refused = 0;
  server.on("GET /api/chat/messages", ({ query }) => {
    if (query.has("after") && query.get("after") !== "x2") {
      refused += 1;
      return { status: 400, body: { error } };
    }
    const messages = query.has("after") ? [] : [message(1, { text: "first" }), message("x2")];
    return { body: { messages, hasMore: false, cursor: "x2" } };
  });
  await server.pass(13_000);
  assert.equal(refused, 1);
  assert.deepEqual(texts(), ["first", "x2"]);
  assert.equal(told.filter(({ type }) => type === "gap").length, 1);
});

test("close() ends the questions", async (t) => {
  const { server, client } = await blockedVisitor(t);
  await server.pass(10_000);
  client.close();
  const asked = server.requests.length;
  await server.pass(70_000);
  assert.equal(server.requests.length, asked);
  assert.equal(client.state, "closed");
});

test("two failed upgrades, or a code of the server's, are no block", async (t) => {
  const { server, client } = await blockedVisitor(t);
  server.blocked = false;
  await server.pass(5_000);
  assert.deepEqual([client.state, client.polling], ["online", false]);
  for (let n = 0; n < 4; n += 1) {
    server.hears = (socket) => socket.end(4001);
    server.socket.end(4001);
    await server.pass(25_000);
  }
  assert.equal(client.polling, false);
});

test("an agent asks for changes, which are the stream", async (t) => {
  const server = new FakeServer(t);
  const agent = new ParlorAgent({ ...HOME, token: "a.b.c" });
  const told = listen(agent, ["message", "note", "read", "gap"]);
  await server.connect(agent);
  server.socket.tell(frame("note", 1));
  server.blocked = true;
  let changes = [frame("read", 2), frame("note", 3), frame("message", 4)];
  server.on("GET /api/agent/changes", ({ query }) => {
    const since = Number(query.get("since"));
    const next = changes.filter((each) => Number(each[each.type].cursor) > since).slice(0, 2);
    const cursor = next.at(-1)?.[next.at(-1)?.type ?? ""].cursor ?? query.get("since");
    return { body: { changes: next, cursor, hasMore: next.length === 2, recovered: true } };
  });
  server.socket.end(1006);
  await server.pass(30_000);
  assert.equal(agent.polling, true);
  assert.deepEqual(
    told.map(({ type }) => type),
    ["note", "read", "note", "message"],
  );
  changes = [...changes, frame("note", 5)];
  await server.pass(6_100);
  server.blocked = false;
  await server.pass(61_000);
  assert.equal(server.socket.sentOf("subscribe")[0]?.since, "5");
  assert.equal(told.length, 5);
});

test("an agent whose position is lost is told of a gap, and pages fill it", async (t) => {
  const server = new FakeServer(t);
  server.blocked = true;
  const agent = new ParlorAgent({ ...HOME, token: "a.b.c" });
  const told = listen(agent, ["note", "gap"]);
  let events = [frame("note", 1)];
  server.on("GET /api/agent/conversations/c/timeline", () => ({ body: { events } }));
  let recovered = true;
  server.on("GET /api/agent/changes", () => ({
    body: { changes: [], cursor: "9", hasMore: false, recovered },
  }));
  await server.connect(agent);
  await server.pass(10_000);
  await agent.open("c");
  recovered = false;
  events = [...events, frame("note", 2)];
  await server.pass(5_900);
  recovered = true;
  assert.ok(told.some(({ type }) => type === "gap"));
  assert.deepEqual(
    agent.timeline("c").map(({ id }) => id),
    ["note1", "note2"],
  );
});

test("an agent of a server that has no changes waits for a socket", async (t) => {
  const server = new FakeServer(t);
  server.blocked = true;
  const agent = await server.connect(new ParlorAgent({ ...HOME, token: "a.b.c" }));
  await server.pass(60_000);
  assert.equal(agent.polling, false);
  server.blocked = false;
  await server.pass(25_000);
  assert.equal(agent.state, "online");
});
