/** @file What an agent's client does besides messages. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { ParlorAgent, ParlorError } from "../../client/agent.js";
// A page loads it with its first write; here the time is the test's, and a file takes real time.
import "../../client/insist.js";
import { FakeServer, HOME, frame, listen } from "./fake-server.mjs";

const PATH = "/api/agent/conversations/c";

/** @param {import("node:test").TestContext} t */
async function online(t) {
  const server = new FakeServer(t);
  const agent = await server.connect(new ParlorAgent({ ...HOME, token: "a.b.c" }));
  assert.equal(agent.state, "online");
  return { server, agent };
}

test("the inbox is asked for by all that it can be sorted by", async (t) => {
  const { server, agent } = await online(t);
  server.on("GET /api/agent/conversations", () => ({
    body: { conversations: [], hasMore: false, next: null },
  }));
  const query = {
    list: "label/vip",
    status: /** @type {const} */ ("open"),
    waiting: /** @type {const} */ ("team"),
    email: "a+b@example.org",
    user: "v",
    after: "x",
    limit: 20,
  };
  assert.deepEqual(await agent.inbox(query), { conversations: [], hasMore: false, next: null });
  const asked = server.asked("GET /api/agent/conversations")[0]?.query ?? [];
  assert.deepEqual(Object.fromEntries(asked), { ...query, limit: "20" });
});

test("what holds no more is a conflict, with the conversation as it is", async (t) => {
  const { server, agent } = await online(t);
  const conversation = { id: "c", assignee: "bob" };
  const error = { code: "conflict", message: "no", retryable: false, requestId: "r" };
  server.on(`PATCH ${PATH}`, () => ({ status: 409, body: { error, conversation } }));
  const patch = { assignee: "ann", ifAssignee: null };
  await assert.rejects(agent.update("c", patch), (thrown) => {
    assert.ok(thrown instanceof ParlorError);
    assert.equal(thrown.code, "conflict");
    assert.deepEqual(thrown.conversation, conversation);
    return true;
  });
  const [asked] = server.asked(`PATCH ${PATH}`);
  assert.equal(asked?.body.ifAssignee, null);
  assert.equal(server.asked(`PATCH ${PATH}`).length, 1);
});

test("what is written is written again with its id while the server is busy", async (t) => {
  const { server, agent } = await online(t);
  const note = { id: "n", text: "look", timestamp: "", cursor: "5" };
  server.on(`POST ${PATH}/notes`, ({ body }) => {
    server.on(`POST ${PATH}/notes`, () => ({ status: 200, body: { note, duplicate: true } }));
    assert.equal(body.text, "look");
    return { status: 503, body: { error: { code: "busy", retryable: true, retryAfterMs: 300 } } };
  });
  const written = agent.note("c", "look");
  await server.pass(1_000);
  assert.deepEqual(await written, { ...note, type: "note", conversationId: "c" });
  const ids = server.asked(`POST ${PATH}/notes`).map(({ body }) => body.clientMessageId);
  assert.equal(ids.length, 2);
  assert.equal(ids[0], ids[1]);
  await assert.rejects(agent.note("c", " "), { code: "empty" });
});

test("a server that stays away is told of after three tries", async (t) => {
  const { server, agent } = await online(t);
  const error = { code: "unavailable", retryable: true };
  server.on(`PATCH ${PATH}`, () => ({ status: 503, body: { error } }));
  const refused = assert.rejects(agent.update("c", { status: "closed" }), { code: "unavailable" });
  await server.pass(15_000);
  await refused;
  assert.equal(server.asked(`PATCH ${PATH}`).length, 3);
});

test("state, counts, profile and changes are the server's answers", async (t) => {
  const { server, agent } = await online(t);
  const answer = { conversation: { id: "c", status: "open" }, cursor: "7" };
  server.on(`GET ${PATH}`, () => ({ body: answer }));
  server.on(`PUT ${PATH}/profile`, () => ({ body: answer }));
  server.on("GET /api/agent/counts", () => ({ body: { open: 3 } }));
  const changes = [frame("note", 1)];
  server.on("GET /api/agent/changes", () => ({
    body: { changes, cursor: "1", hasMore: false, recovered: true },
  }));
  assert.deepEqual(await agent.conversation("c"), answer);
  assert.deepEqual(await agent.setProfile("c", { email: null }), answer);
  assert.deepEqual(server.asked(`PUT ${PATH}/profile`)[0]?.body, { email: null });
  assert.deepEqual(await agent.counts(), { open: 3 });
  const page = await agent.changes("0", 10);
  assert.deepEqual(page, { changes, cursor: "1", hasMore: false, recovered: true });
});

test("what agents share is read, changed, and told of", async (t) => {
  const { server, agent } = await online(t);
  const told = listen(agent, ["desk"]);
  const path = "/api/agent/desk/reply/a/b c";
  const answer = { desk: { reply: { hi: { text: "Hello" } } }, cursor: "4" };
  const thing = { item: "reply", key: "a/b c", value: { text: "Bye" } };
  server.on("GET /api/agent/desk", () => ({ body: answer }));
  server.on(`PUT ${path}`, ({ body }) => ({ body: { ...thing, ...body } }));
  server.on(`DELETE ${path}`, () => ({ body: { ...thing, value: null } }));
  server.on("PUT /api/agent/me", ({ body }) => ({ body: { item: "agent", value: body } }));
  assert.deepEqual(await agent.desk(), answer);
  assert.deepEqual(await agent.furnish("reply", "a/b c", { text: "Bye" }), thing);
  assert.deepEqual(server.asked(`PUT ${path}`)[0]?.body, { value: { text: "Bye" } });
  assert.equal((await agent.furnish("reply", "a/b c", null)).value, null);
  assert.equal(server.asked(`DELETE ${path}`)[0]?.body, undefined);
  const me = /** @type {const} */ ({ name: "Ann", availability: "away" });
  assert.deepEqual((await agent.setMe(me)).value, me);
  const change = { item: "reply", key: "hi", value: null, author: { id: "bob" }, cursor: "9" };
  server.socket.tell({ type: "desk", desk: change });
  assert.equal(told.length, 1);
  const { type, ...rest } = told[0]?.detail.desk ?? {};
  assert.deepEqual([type, rest], ["desk", { ...change, conversationId: undefined }]);
  server.socket.end(4000);
  await server.pass(25_000);
  assert.equal(server.socket.sentOf("subscribe")[0]?.since, "9", "it has a place in the stream");
});

test("a thing on the desk that may not be changed is told of at once", async (t) => {
  const { server, agent } = await online(t);
  const path = "PUT /api/agent/desk/team/sales";
  const error = { code: "forbidden", message: "no", retryable: false, requestId: "r" };
  server.on(path, () => ({ status: 403, body: { error } }));
  await assert.rejects(agent.furnish("team", "sales", { name: "Sales" }), { code: "forbidden" });
  assert.equal(server.asked(path).length, 1);
});

test("marks are told every two seconds at most, for each conversation", async (t) => {
  const { server, agent } = await online(t);
  for (const id of ["c", "d"]) {
    server.on(`PUT /api/agent/conversations/${id}/mark`, ({ body }) => ({ body }));
  }
  server.on(`GET ${PATH}/timeline`, () => ({
    body: { events: [frame("message", 2), frame("note", 1)], hasMore: false },
  }));
  await agent.open("c");
  agent.markRead("c", "2");
  agent.markRead("d", "9");
  // By the order of the timeline and not of the cursors.
  agent.markRead("c", "1");
  agent.markRead("c", "2");
  await server.pass(5_000);
  const marks = server.requests.filter(({ path }) => path.endsWith("/mark"));
  assert.deepEqual(
    marks.map(({ path, body }) => `${path.split("/")[4]} ${body.read}`),
    ["c 2", "d 9", "c 1"],
  );
});

test("a mark that never arrived is told with the next connection", async (t) => {
  const { server, agent } = await online(t);
  const error = { code: "unavailable", retryable: true };
  server.on(`PUT ${PATH}/mark`, () => ({ status: 503, body: { error } }));
  agent.markRead("c", "2");
  await server.pass(20_000);
  const tries = server.asked(`PUT ${PATH}/mark`).length;
  assert.equal(tries, 5);
  server.on(`PUT ${PATH}/mark`, ({ body }) => ({ body }));
  server.socket.end(4000);
  await server.pass(25_000);
  assert.equal(server.asked(`PUT ${PATH}/mark`).length, tries + 1);
});

test("typing names its conversation, each at its own pace", async (t) => {
  const { server, agent } = await online(t);
  agent.typing("c", true);
  agent.typing("d", true);
  agent.typing("c", true);
  agent.send("typed", { conversationId: "c" });
  assert.deepEqual(
    server.socket.sentOf("typing").map(({ conversationId, on }) => `${conversationId} ${on}`),
    ["c true", "d true", "c false"],
  );
});

test("what is looked at is told every two seconds at most, and again after a loss", async (t) => {
  const { server, agent } = await online(t);
  agent.look({ open: "c", visible: ["c", "d"] });
  agent.look({ open: "d" });
  agent.look({ open: "e", visible: Array.from({ length: 70 }, (_, n) => `${n}`) });
  await server.pass(2_000);
  const looks = server.socket.sentOf("look");
  assert.deepEqual(
    looks.map(({ open }) => open),
    ["c", "e"],
  );
  assert.equal(looks[1]?.visible.length, 64);
  await server.pass(5_000);
  server.socket.end(4000);
  await server.pass(25_000);
  assert.equal(server.sockets.length, 2);
  assert.deepEqual(
    server.socket.sentOf("look").map(({ open }) => open),
    ["e"],
  );
});

test("signals of others are told", async (t) => {
  const { server, agent } = await online(t);
  const told = listen(agent, ["typing", "visitor", "agents"]);
  server.socket.tell(
    { type: "typing", conversationId: "c", by: "user", on: true, expiresInMs: 6_000 },
    { type: "visitor", conversationId: "c", online: true },
    { type: "agents", conversationId: "c", agents: [{ id: "bob", name: "Bob" }] },
  );
  assert.deepEqual(
    told.map(({ type, detail }) => `${type} ${detail.conversationId}`),
    ["typing c", "visitor c", "agents c"],
  );
  await server.pass(6_000);
  assert.equal(told.at(-1)?.detail.on, false);
});

test("an agent's client without a token is a mistake", () => {
  assert.throws(() => new ParlorAgent({ ...HOME, token: "" }), TypeError);
});
