/** @file The state of a conversation as the dashboard makes it from frames. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { apply, belongs, queryOf, statusOf, whole } from "../../dashboard/state.js";

/** @import {Frame, State} from "../../dashboard/types.js" */

const NOW = Date.parse("2026-03-02T12:00:00.000Z");
const at = (/** @type {number} */ minutes) => new Date(NOW + minutes * 60_000).toISOString();

/** @param {object} change @returns {Frame} */
const change = (change) => ({
  type: "change",
  conversationId: "c",
  change: { id: "1", timestamp: at(0), cursor: "1", ...change },
});

/** @param {"user" | "agent"} sender @param {number} minutes @returns {Frame} */
const message = (sender, minutes) => ({
  type: "message",
  conversationId: "c",
  message: {
    id: "m",
    text: "hi",
    sender,
    author: { id: sender },
    timestamp: at(minutes),
    cursor: "2",
  },
});

/** @param {State} state @param {...Frame} frames */
const after = (state, ...frames) => frames.reduce((s, frame) => apply(s, frame, "ann"), state);

test("what an older server tells is made whole", () => {
  const state = whole({
    id: "c",
    lastMessage: { text: "hi", sender: "user", timestamp: at(0) },
  });
  assert.equal(state.status, "open");
  assert.equal(state.waiting, "team");
  assert.equal(state.lastActivity, at(0));
  assert.deepEqual(state.labels, []);
});

test("a visitor's message opens what was closed or snoozed, an agent's does not", () => {
  const closed = after(whole({ id: "c" }), change({ status: "closed" }));
  assert.equal(after(closed, message("agent", 1)).status, "closed");
  const opened = after(closed, message("user", 1));
  assert.equal(opened.status, "open");
  assert.equal(opened.unread, true);
  assert.equal(opened.waiting, "team");
});

test("a message that is older than what is known changes nothing", () => {
  const state = after(whole({ id: "c" }), message("agent", 5));
  assert.equal(after(state, message("user", 4)), state);
});

test("a snooze ends by itself, and its conversation is in the open view then", () => {
  const state = after(whole({ id: "c" }), change({ status: "snoozed", until: at(10) }));
  assert.equal(statusOf(state, NOW), "snoozed");
  assert.equal(belongs("snoozed", state, "ann", NOW), true);
  assert.equal(belongs("open", state, "ann", NOW), false);
  const later = NOW + 10 * 60_000;
  assert.equal(statusOf(state, later), "open");
  assert.equal(belongs("open", state, "ann", later), true);
});

test("labels are added and removed, each once", () => {
  const state = after(
    whole({ id: "c", labels: ["a"] }),
    change({ labels: { add: ["a", "b"] } }),
    change({ labels: { remove: ["a"] } }),
  );
  assert.deepEqual(state.labels, ["b"]);
});

test("only what a change names is changed", () => {
  const state = after(
    whole({ id: "c", assignee: "bob", team: "sales" }),
    change({ assignee: null }),
  );
  assert.equal(state.assignee, null);
  assert.equal(state.team, "sales");
});

test("a profile's null takes away, and what it does not name stays", () => {
  const visitor = { id: "v", name: "Ada", email: "a@x.example", attributes: { a: "1", b: "2" } };
  const state = after(whole({ id: "c", visitor }), {
    type: "profile",
    conversationId: "c",
    profile: { timestamp: at(0), cursor: "1", email: null, attributes: { a: null, c: "3" } },
  });
  assert.deepEqual(state.visitor, {
    id: "v",
    name: "Ada",
    email: null,
    attributes: { b: "2", c: "3" },
  });
});

test("each view asks the server for what belongs to it", () => {
  assert.deepEqual(queryOf("mine"), { list: "mine", status: "open" });
  assert.deepEqual(queryOf("waiting"), { status: "open", waiting: "team" });
  assert.deepEqual(queryOf("closed"), { status: "closed" });
  assert.deepEqual(queryOf("team/a/b"), { list: "team/a/b", status: "open" });
  assert.deepEqual(queryOf("email/a@b"), { email: "a@b" });
  const state = whole({ id: "c", team: "a/b", assignee: "ann" });
  assert.equal(belongs("team/a/b", state, "ann", NOW), true);
  assert.equal(belongs("mine", state, "ann", NOW), true);
  assert.equal(belongs("mine", state, "bob", NOW), false);
  assert.equal(belongs("none", state, "ann", NOW), false);
});
