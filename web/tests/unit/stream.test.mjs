/** @file What the stream brings besides messages: told, kept in order, and gone on from. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { ParlorAgent } from "../../client/agent.js";
import { ParlorClient } from "../../client/parlor.js";
import { FakeServer, HOME, frame, listen, message } from "./fake-server.mjs";

const TYPES = ["message", "note", "change", "rating", "linked", "read", "profile", "gap"];

/** @param {import("node:test").TestContext} t */
async function agentOnline(t) {
  const server = new FakeServer(t);
  const agent = new ParlorAgent({ ...HOME, token: "a.b.c" });
  const told = listen(agent, TYPES);
  await server.connect(agent);
  assert.equal(agent.state, "online");
  return { server, agent, told };
}

/** @param {ParlorAgent} agent */
const shown = (agent) => agent.timeline("c").map(({ id }) => id);

for (const type of ["message", "note", "change", "read", "profile", "rating"]) {
  test(`a ${type} is told, and the next subscription goes on after it`, async (t) => {
    const { server, told } = await agentOnline(t);
    server.socket.tell(frame(type, 7, { text: "seven" }));
    assert.equal(told.length, 1);
    assert.equal(told[0]?.type, type);
    const item = told[0]?.detail[type];
    assert.deepEqual([item.type, item.conversationId, item.cursor], [type, "c", "7"]);
    server.socket.end(4000);
    await server.pass(25_000);
    assert.equal(server.sockets.length, 2);
    assert.equal(server.socket.sentOf("subscribe")[0]?.since, "7");
    server.socket.tell(frame("note", 8));
    assert.equal(told.length, 2);
    assert.equal(told[1]?.detail.note.id, "note8");
  });
}

test("a frame of an unknown type is ignored, and moves nothing", async (t) => {
  const { server, told } = await agentOnline(t);
  server.socket.tell(frame("note", 1), frame("hologram", 9), frame("toString", 9));
  server.socket.tell({ type: "note" }, { type: "note", note: null });
  server.socket.end(4000);
  await server.pass(25_000);
  assert.equal(told.length, 1);
  assert.equal(server.socket.sentOf("subscribe")[0]?.since, "1");
});

test("an agent's timeline is one list in order, whatever is repeated", async (t) => {
  const { server, agent, told } = await agentOnline(t);
  const events = [frame("message", 3), frame("note", 4), frame("change", 5, { status: "closed" })];
  server.on("GET /api/agent/conversations/c/timeline", ({ query }) => ({
    body: query.get("before")
      ? { events: [frame("message", 1), frame("rating", 2, { score: 4 })], hasMore: false }
      : { events, hasMore: true, cursor: "5" },
  }));
  const opened = agent.open("c");
  server.socket.tell(frame("change", 5, { status: "closed" }), frame("note", 6), frame("read", 7));
  await opened;
  server.socket.tell(frame("note", 6), frame("message", 8));
  assert.deepEqual(shown(agent), ["m3", "note4", "change5", "note6", "m8"]);
  assert.deepEqual(
    told.map(({ type, detail }) => `${type} ${detail[type].cursor} ${detail.source}`),
    [
      "read 7 stream",
      "message 3 history",
      "note 4 history",
      "change 5 history",
      "note 6 history",
      "message 8 stream",
    ],
  );
  const older = await agent.older("c");
  assert.deepEqual(
    older.items?.map(({ type }) => type),
    ["message", "rating"],
  );
  assert.deepEqual(
    older.messages.map(({ id }) => id),
    ["m1"],
  );
  const asked = server.asked("GET /api/agent/conversations/c/timeline");
  assert.equal(asked[1]?.query.get("before"), "3");
  assert.deepEqual(shown(agent), ["m1", "rating2", "m3", "note4", "change5", "note6", "m8"]);
  assert.equal(agent.hasOlder("c"), false);
});

test("after a gap the timeline is filled, and what came meanwhile keeps its place", async (t) => {
  const { server, agent, told } = await agentOnline(t);
  let events = [frame("message", 1), frame("note", 2)];
  server.on("GET /api/agent/conversations/c/timeline", () => ({ body: { events } }));
  await agent.open("c");
  server.subscribed = { recovered: false, cursor: "20" };
  events = [...events, frame("change", 9), frame("message", 10)];
  server.socket.end(4000);
  await server.pass(25_000);
  server.socket.tell(frame("note", 21));
  await server.pass(0);
  assert.deepEqual(shown(agent), ["m1", "note2", "change9", "m10", "note21"]);
  assert.equal(told.filter(({ type }) => type === "gap").length, 1);
});

test("where the server has no timelines an agent reads messages", async (t) => {
  const { server, agent } = await agentOnline(t);
  server.on("GET /api/agent/conversations/c/messages", () => ({
    body: { messages: [message(1)], hasMore: false },
  }));
  server.on("GET /api/agent/conversations/d/messages", () => ({
    body: { messages: [message(2, { conversationId: "d" })], hasMore: false },
  }));
  await agent.open("c");
  await agent.open("d");
  assert.deepEqual(shown(agent), ["m1"]);
  assert.equal(server.asked("GET /api/agent/conversations/d/timeline").length, 0, "it is known");
});

test("a conversation that is not there is refused, and proves nothing about others", async (t) => {
  const { server, agent } = await agentOnline(t);
  await assert.rejects(agent.open("gone"), { code: "not_found" });
  server.on("GET /api/agent/conversations/c/timeline", () => ({
    body: { events: [frame("note", 1)], hasMore: false },
  }));
  await agent.open("c");
  assert.deepEqual(shown(agent), ["note1"]);
});

test("what links conversations is told once, and stands in each of them", async (t) => {
  const { server, agent, told } = await agentOnline(t);
  for (const id of ["c", "d"]) {
    server.on(`GET /api/agent/conversations/${id}/timeline`, () => ({
      body: { events: [], hasMore: false },
    }));
    await agent.open(id);
  }
  const linked = { type: "linked", visitorId: "v", conversationIds: ["c", "d"] };
  server.socket.tell(linked, linked);
  assert.equal(told.length, 1);
  assert.deepEqual(told[0]?.detail.linked.conversationIds, ["c", "d"]);
  assert.deepEqual(shown(agent), ["linked:c:d"]);
  assert.equal(agent.timeline("d").length, 1);
});

test("an agent with ParlorClient reads and writes as before", async (t) => {
  const server = new FakeServer(t);
  const client = new ParlorClient({ ...HOME, token: "a.b.c" });
  const told = listen(client, ["message", "note"]);
  await server.connect(client);
  server.socket.tell(frame("message", 1), frame("note", 2));
  assert.deepEqual(
    told.map(({ type }) => type),
    ["message", "note"],
  );
  assert.throws(() => client.markRead("1"), TypeError);
});
