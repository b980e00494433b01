import assert from "node:assert/strict";
import { test } from "node:test";

import { timelessId, uuid7 } from "../../client/uuid7.js";

test("a UUIDv7 carries its time, version and variant", () => {
  const id = uuid7(0x0123456789ab);
  assert.match(id, /^01234567-89ab-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test("fractions of a millisecond and times of our day fit", () => {
  const now = Date.parse("2026-11-23T20:00:00.000Z");
  const id = uuid7(now + 0.75);
  assert.equal(parseInt(id.replaceAll("-", "").slice(0, 12), 16), now);
});

test("ids of one millisecond differ, and later ones sort later", () => {
  const ids = Array.from({ length: 1000 }, () => uuid7(1_700_000_000_000));
  assert.equal(new Set(ids).size, 1000);
  assert.ok(uuid7(1_700_000_000_000) < uuid7(1_700_000_000_001));
});

test("an id without a time does not claim to have one", () => {
  assert.match(
    timelessId(),
    /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  );
});
