/** @file How long to wait before the next try. */

/** The shortest wait, in milliseconds; the protocol's number. */
export const FLOOR_MS = 500;
/** The longest wait, in milliseconds; the protocol's number. */
export const CEILING_MS = 20_000;

/**
 * Full jitter between half a second and a ceiling that doubles with each failure, up to 20 s. The
 * first ceiling is one second and not the floor itself, so that even the first wait after a node's
 * death is spread out.
 */
export class Backoff {
  #failures = 0;
  #random;

  /** @param {() => number} [random] uniform in [0, 1), for tests */
  constructor(random = Math.random) {
    this.#random = random;
  }

  /** The wait before the next try, in milliseconds; counts one more failure. */
  next() {
    this.#failures += 1;
    // The exponent is bounded too: after a night offline 2 ** failures would be Infinity.
    const ceiling = Math.min(CEILING_MS, FLOOR_MS * 2 ** Math.min(this.#failures, 16));
    return FLOOR_MS + this.#random() * (ceiling - FLOOR_MS);
  }

  /** Forgets the failures, after something has worked for a while. */
  reset() {
    this.#failures = 0;
  }
}
