/** @file What a visitor's client does besides messages. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { ParlorClient } from "../../client/parlor.js";
import { FakeServer, HOME, frame, listen } from "./fake-server.mjs";

/** @param {import("node:test").TestContext} t */
async function online(t) {
  const server = new FakeServer(t);
  const client = new ParlorClient(HOME);
  const told = listen(client, ["change", "read", "typing", "here", "state"]);
  await server.connect(client);
  assert.equal(client.state, "online");
  return { server, client, told };
}

test("typing goes out by socket, and ends with what was typed", async (t) => {
  const { server, client } = await online(t);
  client.typing(true);
  client.typing(true);
  client.send("typed");
  await server.pass(10_000);
  const frames = server.socket.sentOf("typing").map(({ on }) => on);
  assert.deepEqual(frames, [true, false]);
});

test("a mark goes out by socket, every two seconds at most, and only rises", async (t) => {
  const { server, client } = await online(t);
  server.socket.tell(frame("message", 1), frame("message", 2), frame("message", 3));
  client.markRead("1");
  client.markRead("3");
  client.markRead("2");
  assert.deepEqual(server.socket.sentOf("mark"), [{ type: "mark", read: "1" }]);
  await server.pass(2_000);
  assert.deepEqual(
    server.socket.sentOf("mark").map(({ read }) => read),
    ["1", "3"],
  );
});

test("a mark that may be lost with its socket is told on the next one, and else not", async (t) => {
  const { server, client } = await online(t);
  server.socket.tell(frame("message", 1));
  client.markRead("1");
  server.socket.end(4000);
  await server.pass(25_000);
  assert.deepEqual(server.socket.sentOf("mark"), [{ type: "mark", read: "1" }]);
  server.socket.tell(frame("message", 2));
  server.socket.end(4000);
  await server.pass(25_000);
  assert.equal(server.sockets.length, 3);
  assert.deepEqual(server.socket.sentOf("mark"), []);
});

test("a mark that is set offline is told when the client is online", async (t) => {
  const server = new FakeServer(t);
  const client = new ParlorClient(HOME);
  client.markRead("1");
  await server.connect(client);
  await server.pass(2_000);
  assert.equal(server.socket.sentOf("mark").length, 1);
});

test("a server that knows no signals is not tried again, and no draft is at fault", async (t) => {
  const { server, client } = await online(t);
  const failed = listen(client, ["failed"]);
  const accepted = listen(client, ["accepted"]);
  server.hears = () => {};
  client.typing(true);
  client.send("mine");
  const clientMessageId = server.socket.sentOf("message")[0]?.clientMessageId;
  server.socket.tell({ type: "error", error: { code: "bad_request", retryable: false } });
  server.socket.tell({ type: "accepted", clientMessageId, id: "m", timestamp: "" });
  const signals = server.socket.sentOf("typing").length;
  await server.pass(3_000);
  client.typing(true);
  server.on("PUT /api/chat/mark", () => ({ body: { read: "1" } }));
  client.markRead("1");
  assert.equal(server.socket.sentOf("typing").length, signals);
  assert.deepEqual([failed.length, accepted.length], [0, 1]);
  assert.deepEqual(server.asked("PUT /api/chat/mark")[0]?.body, { read: "1" });
});

test("a profile that comes before the first message is kept until there is one", async (t) => {
  const { server, client } = await online(t);
  assert.equal(await client.setProfile({ name: "Vera", attributes: { plan: "free" } }), false);
  assert.equal(await client.setProfile({ attributes: { plan: "pro", since: "2024" } }), false);
  server.on("PUT /api/chat/profile", () => ({ body: { ok: true } }));
  const before = server.asked("PUT /api/chat/profile").length;
  client.send("hello");
  await server.pass(0);
  const [told, ...more] = server.asked("PUT /api/chat/profile").slice(before);
  const attributes = { plan: "pro", since: "2024" };
  assert.deepEqual(told?.body, { name: "Vera", attributes });
  assert.deepEqual(more, [], "it is told once");
  assert.equal(await client.setProfile({ name: "Vera B." }), true);
  assert.deepEqual(server.asked("PUT /api/chat/profile").at(-1)?.body, { name: "Vera B." });
});

test("a profile that is refused is forgotten, and the caller told", async (t) => {
  const { server, client } = await online(t);
  const error = { code: "invalid", retryable: false };
  server.on("PUT /api/chat/profile", () => ({ status: 422, body: { error } }));
  await assert.rejects(client.setProfile({ email: "no address" }), { code: "invalid" });
  client.send("hello");
  await server.pass(0);
  assert.equal(server.asked("PUT /api/chat/profile").length, 1);
});

test("a profile that is set before the connection is told with it", async (t) => {
  const server = new FakeServer(t);
  server.on("PUT /api/chat/profile", () => ({ body: { ok: true } }));
  const client = new ParlorClient(HOME);
  assert.equal(await client.setProfile({ locale: "de" }), false);
  assert.equal(server.requests.length, 0);
  await server.connect(client);
  assert.deepEqual(server.asked("PUT /api/chat/profile")[0]?.body, { locale: "de" });
});

test("the status is the session's, then what is told, then open with a message", async (t) => {
  const { server, client, told } = await online(t);
  assert.equal(client.status, "open");
  server.socket.tell(frame("change", 1, { status: "closed" }));
  assert.equal(client.status, "closed");
  assert.equal(told.at(-1)?.detail.change.status, "closed");
  server.socket.tell(frame("message", 2, { sender: "agent" }));
  assert.equal(client.status, "closed");
  server.socket.tell(frame("message", 3));
  assert.equal(client.status, "open");
});

test("after a gap the status is asked for", async (t) => {
  const { server, client } = await online(t);
  const session = { sessionId: "s", conversationId: "c", status: "closed" };
  server.on("POST /api/chat/session", () => ({ body: session }));
  server.subscribed = { recovered: false, cursor: "9" };
  server.socket.end(4000);
  await server.pass(25_000);
  assert.equal(client.status, "closed");
});

test("a visitor closes the conversation and says what it thought of it", async (t) => {
  const { server, client } = await online(t);
  server.on("POST /api/chat/close", () => ({ body: { status: "closed" } }));
  server.on("POST /api/chat/rating", () => ({ status: 201, body: { rating: {} } }));
  await client.closeConversation();
  assert.equal(client.status, "closed");
  await client.rate(4, "quick");
  await client.rate(5);
  assert.deepEqual(
    server.asked("POST /api/chat/rating").map(({ body }) => body),
    [{ score: 4, comment: "quick" }, { score: 5 }],
  );
});

test("whether somebody is here is told on change, and unknown without a connection", async (t) => {
  const { server, client, told } = await online(t);
  const here = () => told.filter(({ type }) => type === "here").map(({ detail }) => detail.here);
  assert.equal(client.here, null);
  server.socket.tell({ type: "here", here: true }, { type: "here", here: true });
  assert.equal(client.here, true);
  server.socket.tell({ type: "here", here: false });
  server.socket.end(4000);
  await server.pass(0);
  assert.equal(client.here, null);
  assert.deepEqual(here(), [true, false, null]);
});
