/** @file Chance that can be had again: the seed is printed, and `SEED` repeats a run. */

/** @import {TestContext} from "node:test" */

/**
 * Numbers from 0 to 1 that follow from the seed, which a failed test shows.
 *
 * @param {TestContext} test
 */
export function seeded(test) {
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 32));
  test.diagnostic(`seed ${seed}: SEED=${seed} repeats it`);
  let state = seed >>> 0;
  // mulberry32, which is short and good enough to choose moments.
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
