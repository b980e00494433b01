import assert from "node:assert/strict";
import { test } from "node:test";

import { TypingHeard, TypingTold } from "../../client/typing.js";

/** @import {Typing} from "../../client/parlor.js" */

/** @param {import("node:test").TestContext} t */
function clock(t) {
  let now = 0;
  t.mock.timers.enable({ apis: ["setTimeout"] });
  t.mock.method(performance, "now", () => now);
  return (/** @type {number} */ ms) => {
    now += ms;
    t.mock.timers.tick(ms);
  };
}

/** @param {import("node:test").TestContext} t */
function telling(t) {
  const pass = clock(t);
  /** @type {boolean[]} */
  const told = [];
  return { pass, told, typing: new TypingTold((on) => told.push(on)) };
}

test("whoever types goes on telling it every three seconds", (t) => {
  const { pass, told, typing } = telling(t);
  for (let ms = 0; ms < 9_000; ms += 100) {
    typing.set(true);
    pass(100);
  }
  assert.deepEqual(told, [true, true, true]);
});

test("the end is told at once, and once", (t) => {
  const { pass, told, typing } = telling(t);
  typing.set(false);
  typing.set(true);
  typing.set(false);
  typing.set(false);
  assert.deepEqual(told, [true, false]);
  typing.set(true);
  assert.deepEqual(told, [true, false], "no two beginnings within three seconds");
  pass(3_000);
  typing.set(true);
  assert.deepEqual(told, [true, false, true]);
});

test("who begins again too soon is told of later, unless it has ended by then", (t) => {
  const { pass, told, typing } = telling(t);
  typing.set(true);
  typing.set(false);
  pass(1_000);
  typing.set(true);
  pass(500);
  typing.set(true);
  pass(1_499);
  assert.deepEqual(told, [true, false]);
  pass(1);
  assert.deepEqual(told, [true, false, true]);
  pass(4_499);
  assert.deepEqual(told, [true, false, true]);
  pass(1);
  assert.deepEqual(told, [true, false, true, false], "six seconds after the last call");
  pass(10_000);
  typing.set(true);
  typing.set(false);
  typing.set(true);
  typing.set(false);
  pass(10_000);
  assert.deepEqual(told.slice(4), [true, false]);
});

test("six seconds after the last call it ends by itself", (t) => {
  const { pass, told, typing } = telling(t);
  typing.set(true);
  pass(2_000);
  typing.set(true);
  pass(5_999);
  assert.deepEqual(told, [true]);
  pass(1);
  assert.deepEqual(told, [true, false]);
});

/** @param {Partial<Typing>} [more] @returns {Typing} */
const typist = (more) => ({
  conversationId: "c",
  by: "user",
  on: true,
  expiresInMs: 6_000,
  ...more,
});

test("whoever is told of a typist is told of the end, also if that gets lost", (t) => {
  const pass = clock(t);
  /** @type {string[]} */
  const shown = [];
  const heard = new TypingHeard(({ by, on }) => shown.push(`${by} ${on}`));
  heard.hear(typist());
  heard.hear(typist({ by: "agent", author: { name: "Ann" } }));
  pass(4_000);
  heard.hear(typist());
  assert.deepEqual(shown, ["user true", "agent true"], "a repeat is nothing new");
  pass(2_000);
  assert.deepEqual(shown, ["user true", "agent true", "agent false"]);
  pass(4_000);
  assert.deepEqual(shown.at(-1), "user false");
  heard.hear(typist({ on: false }));
  assert.equal(shown.length, 4, "an end that is known is nothing new");
});

test("who types and stops is shown so at once", (t) => {
  clock(t);
  /** @type {boolean[]} */
  const shown = [];
  const heard = new TypingHeard(({ on }) => shown.push(on));
  heard.hear(typist());
  heard.hear(typist({ on: false }));
  assert.deepEqual(shown, [true, false]);
});
