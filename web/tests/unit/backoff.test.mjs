import assert from "node:assert/strict";
import { test } from "node:test";

import { Backoff } from "../../client/backoff.js";

test("the ceiling doubles with each failure, from one second to twenty", () => {
  const highest = new Backoff(() => 1);
  const waits = Array.from({ length: 8 }, () => highest.next());
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 16_000, 20_000, 20_000, 20_000]);
});

test("no wait is shorter than half a second", () => {
  const lowest = new Backoff(() => 0);
  for (let failures = 0; failures < 8; failures += 1) assert.equal(lowest.next(), 500);
});

test("waits are spread over the whole range", () => {
  const half = new Backoff(() => 0.5);
  assert.deepEqual([half.next(), half.next(), half.next()], [750, 1250, 2250]);
});

test("a success starts over", () => {
  const backoff = new Backoff(() => 1);
  backoff.next();
  backoff.next();
  backoff.reset();
  assert.equal(backoff.next(), 1000);
});

test("a night offline breaks nothing", () => {
  const backoff = new Backoff(() => 1);
  for (let failures = 0; failures < 5000; failures += 1) backoff.next();
  assert.equal(backoff.next(), 20_000);
});
