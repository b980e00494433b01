import assert from "node:assert/strict";
import { test } from "node:test";

import { ParlorError } from "../../client/errors.js";
import { Mark } from "../../client/marks.js";

/** @param {import("node:test").TestContext} t @param {string} [order] of the timeline */
function setUp(t, order = "abcdef") {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  /** @type {string[]} */
  const told = [];
  /** @typedef {(cursor: string) => Promise<unknown> | undefined} Tell */
  let tell = /** @type {Tell} */ (async () => {});
  const mark = new Mark(
    (cursor) => order.indexOf(cursor),
    (cursor) => {
      const telling = tell(cursor);
      if (telling) told.push(cursor);
      return telling;
    },
  );
  const pass = async (/** @type {number} */ ms) => {
    t.mock.timers.tick(ms);
    await new Promise((resolve) => setImmediate(resolve));
  };
  const answer = (/** @type {Tell} */ next) => (tell = next);
  return { mark, told, pass, answer };
}

test("of many marks within two seconds the first and the last are told", async (t) => {
  const { mark, told, pass } = setUp(t);
  for (const cursor of "abcd") mark.set(cursor);
  await pass(0);
  assert.deepEqual(told, ["a"]);
  await pass(1_999);
  assert.deepEqual(told, ["a"]);
  await pass(1);
  assert.deepEqual(told, ["a", "d"]);
  await pass(60_000);
  assert.deepEqual(told, ["a", "d"]);
});

test("a mark only rises, by the order of the timeline", async (t) => {
  const { mark, told, pass } = setUp(t, "za");
  mark.set("a");
  await pass(2_000);
  mark.set("z");
  mark.set("unknown");
  mark.set("a");
  await pass(10_000);
  assert.deepEqual(told, ["a"]);
});

test("a mark that did not arrive is told again, and one that is refused is not", async (t) => {
  const { mark, told, pass, answer } = setUp(t);
  answer(async () => {
    answer(async () => {
      throw new ParlorError("no", { code: "bad_cursor" });
    });
    throw new ParlorError("down", { code: "unavailable", retryable: true });
  });
  mark.set("a");
  for (let n = 0; n < 10; n += 1) await pass(2_000);
  assert.deepEqual(told, ["a", "a"]);
});

test("a mark that never arrives is given up", async (t) => {
  const { mark, told, pass, answer } = setUp(t);
  answer(async () => {
    throw new ParlorError("down", { code: "unavailable", retryable: true });
  });
  mark.set("a");
  for (let n = 0; n < 20; n += 1) await pass(2_000);
  assert.equal(told.length, 5);
});

test("a mark that cannot be told now is told later", async (t) => {
  const { mark, told, pass, answer } = setUp(t);
  answer(() => undefined);
  mark.set("a");
  await pass(10_000);
  answer(async () => {});
  mark.again();
  await pass(2_000);
  mark.again();
  await pass(2_000);
  assert.deepEqual(told, ["a"]);
  mark.again(true);
  await pass(0);
  assert.deepEqual(told, ["a", "a"], "what may have been lost is told again");
});
