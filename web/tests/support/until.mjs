/** @file Waiting for a condition, with a deadline and a sentence for when it does not come. */

import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";

/** How long anything may take, unless a test knows better. */
const DEADLINE_MS = 30_000;
/** How often is looked. */
const LOOK_MS = 40;

/**
 * Looks until there is something to see.
 *
 * @template T
 * @param {string} what
 * @param {() => T | Promise<T>} look
 * @param {number} [deadlineMs]
 * @returns {Promise<NonNullable<T>>}
 */
export async function until(what, look, deadlineMs = DEADLINE_MS) {
  const end = Date.now() + deadlineMs;
  /** @type {unknown} */
  let last;
  while (Date.now() < end) {
    try {
      const seen = await look();
      if (seen) return seen;
      last = seen;
    } catch (thrown) {
      last = thrown;
    }
    await pause(LOOK_MS);
  }
  throw new Error(`after ${deadlineMs} ms, still not: ${what} (last: ${String(last)})`);
}

/**
 * Looks until what is seen is exactly `expected`; if it never is, the difference is shown.
 *
 * @template T
 * @param {string} what
 * @param {() => T | Promise<T>} look
 * @param {T} expected
 * @param {number} [deadlineMs]
 */
export async function untilEqual(what, look, expected, deadlineMs = DEADLINE_MS) {
  const end = Date.now() + deadlineMs;
  for (;;) {
    try {
      assert.deepEqual(await look(), expected, `after ${deadlineMs} ms, still not: ${what}`);
      return;
    } catch (thrown) {
      if (Date.now() >= end) throw thrown;
    }
    await pause(LOOK_MS);
  }
}
