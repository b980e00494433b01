/** @file Asking every few seconds, where sockets are blocked. */

import { Backoff } from "./backoff.js";
import { ParlorError } from "./errors.js";

/** The time between two questions is uniform between these, so that clients do not ask at once. */
const SHORTEST_MS = 3_000;
const LONGEST_MS = 6_000;

/**
 * What becomes of a question: it was answered, and the answer passed on; or it failed, and is asked
 * again then, or, after a refusal for good, not at all.
 *
 * @typedef {{works: () => void, failed: (error: ParlorError, retryInMs?: number) => void}}
 *   PollerEvents
 */

/** Asks, passes on, waits; until it is stopped, or refused for good. */
export class Poller {
  #ask;
  #events;
  #random;
  /** The row of questions under way. @type {object | undefined} */
  #row;
  /** @type {(() => void) | undefined} */
  #wake;

  /**
   * @param {(going: () => boolean) => Promise<boolean>} ask asks once, and passes on what it is
   *   told as long as `going` says that somebody wants it; returns whether there is more
   * @param {PollerEvents} events
   * @param {() => number} [random]
   */
  constructor(ask, events, random = Math.random) {
    this.#ask = ask;
    this.#events = events;
    this.#random = random;
  }

  /** Whether the last question was answered. */
  works = false;

  start() {
    if (!this.#row) void this.#run((this.#row = {}));
  }

  stop() {
    this.#row = undefined;
    this.works = false;
    this.now();
  }

  /** Ends the wait before the next question. */
  now() {
    this.#wake?.();
  }

  /** @param {object} row */
  async #run(row) {
    const going = () => this.#row === row;
    const backoff = new Backoff(this.#random);
    while (going()) {
      let waitMs = SHORTEST_MS + this.#random() * (LONGEST_MS - SHORTEST_MS);
      try {
        const more = await this.#ask(going);
        if (!going()) return;
        backoff.reset();
        this.works = true;
        this.#events.works();
        if (more) continue;
      } catch (thrown) {
        if (!going()) return;
        const error = ParlorError.wrap(thrown);
        this.works = false;
        if (!error.retryable) {
          this.#row = undefined;
          this.#events.failed(error);
          return;
        }
        waitMs = error.retryAfterMs ?? backoff.next();
        this.#events.failed(error, waitMs);
      }
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, waitMs, undefined);
        this.#wake = () => {
          clearTimeout(timer);
          resolve(undefined);
        };
      });
      this.#wake = undefined;
    }
  }
}
