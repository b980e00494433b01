import assert from "node:assert/strict";
import { test } from "node:test";

import { ServerClock } from "../../client/clock.js";

test("the server's time is unknown until it was heard", () => {
  const clock = new ServerClock(() => 0);
  assert.equal(clock.now(), undefined);
  clock.hear(undefined);
  clock.hear("no time at all");
  assert.equal(clock.now(), undefined);
});

test("it goes on with the monotonic clock, whatever the wall clock does", () => {
  let monotonic = 5000;
  const clock = new ServerClock(() => monotonic);
  clock.hear("2026-01-02T03:04:05.678Z");
  monotonic += 250;
  assert.equal(new Date(clock.now() ?? 0).toISOString(), "2026-01-02T03:04:05.928Z");
});
