import assert from "node:assert/strict";
import { test } from "node:test";

import { Timeline } from "../../client/timeline.js";

/** @param {string} id @returns {import("../../client/parlor.js").Message} */
const message = (id) => ({
  id,
  text: id,
  cursor: `at-${id}`,
  sender: "user",
  timestamp: "",
  conversationId: "c",
});
/** @param {string} ids */
const page = (ids) => [...ids].map(message);
/** @param {{id: string}[]} messages */
const ids = (messages) => messages.map(({ id }) => id).join("");

test("live messages pass, each once", () => {
  const timeline = new Timeline();
  assert.equal(ids(timeline.live(message("a"))), "a");
  assert.equal(ids(timeline.live(message("a"))), "");
});

test("what comes while a page is loaded waits, and follows the page without repeats", () => {
  const timeline = new Timeline();
  timeline.hold();
  assert.equal(ids(timeline.live(message("c"))), "");
  assert.equal(ids(timeline.live(message("d"))), "");
  assert.equal(ids(timeline.release(page("abc"), false)), "abcd");
  assert.equal(ids(timeline.live(message("e"))), "e");
});

test("after a gap only what was missed is shown, in order", () => {
  const timeline = new Timeline();
  timeline.hold();
  timeline.release(page("ab"), false);
  timeline.hold();
  assert.equal(ids(timeline.live(message("f"))), "");
  assert.equal(ids(timeline.release(page("abcde"), false)), "cdef");
});

test("a page that cannot be loaded does not keep back what is said now", () => {
  const timeline = new Timeline();
  timeline.hold();
  timeline.live(message("x"));
  assert.equal(ids(timeline.giveUp()), "x");
  assert.equal(ids(timeline.live(message("y"))), "y");
});

test("older pages go on from the oldest that is shown", () => {
  const timeline = new Timeline();
  timeline.hold();
  timeline.release(page("de"), true);
  assert.equal(timeline.first, "at-d");
  assert.equal(timeline.hasMore, true);
  assert.equal(ids(timeline.prepend(page("bcd"), false)), "bc");
  assert.equal(timeline.first, "at-b");
  assert.equal(timeline.hasMore, false);
});

test("only so many ids are remembered", () => {
  const timeline = new Timeline();
  timeline.stale = false;
  for (let n = 0; n <= 10_000; n += 1) timeline.live(message(String(n)));
  assert.equal(timeline.has("0"), false);
  assert.equal(timeline.has("1"), true);
});
