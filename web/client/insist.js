/** @file Asking again while answers get lost. Loaded with the first request that wants it. */

import { Backoff } from "./backoff.js";
import { ParlorError } from "./errors.js";

/** How often something is asked at most whose answer was lost. */
const TRIES = 3;
/** A delay that the server names is waited for up to here; a longer one is told to the caller. */
const MAX_DELAY_MS = 5_000;

/**
 * Asks, and asks again if the answer was lost: the same client message id, or the same content,
 * does nothing twice.
 *
 * @template T
 * @param {() => Promise<T>} ask
 * @returns {Promise<T>}
 */
export async function insist(ask) {
  const backoff = new Backoff();
  for (let left = TRIES - 1; ; left -= 1) {
    try {
      return await ask();
    } catch (thrown) {
      const error = ParlorError.wrap(thrown);
      const delay = error.retryAfterMs ?? Math.min(backoff.next(), MAX_DELAY_MS);
      if (!error.retryable || left <= 0 || delay > MAX_DELAY_MS) throw error;
      await new Promise((resolve) => setTimeout(resolve, delay));
    }
  }
}
