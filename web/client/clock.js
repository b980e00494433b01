/** @file The server's time, as far as this page can know it. */

/**
 * Counts on from the last `serverTime` with the page's monotonic clock and not with the wall clock:
 * someone may set the wall clock while the page is open, and a monotonic clock that stands still
 * during sleep only makes ids look old, which is safe. Both errors, and the time the answer took to
 * travel, leave this clock behind the server's, never ahead of it.
 */
export class ServerClock {
  #monotonic;
  #serverMs = 0;
  /** @type {number | undefined} */
  #heardAt;

  /** @param {() => number} [monotonic] milliseconds from any origin, for tests */
  constructor(monotonic = () => performance.now()) {
    this.#monotonic = monotonic;
  }

  /** @param {unknown} serverTime ISO 8601, from a hello or a session; anything else is ignored */
  hear(serverTime) {
    const ms = typeof serverTime === "string" ? Date.parse(serverTime) : NaN;
    if (Number.isNaN(ms)) return;
    this.#serverMs = ms;
    this.#heardAt = this.#monotonic();
  }

  /**
   * Milliseconds since the Unix epoch by the server's clock; undefined until it has been heard
   * once.
   */
  now() {
    return this.#heardAt === undefined
      ? undefined
      : this.#serverMs + (this.#monotonic() - this.#heardAt);
  }
}
