/** @file Calls that come in rows, and are answered by fewer. */

/**
 * Runs at once, and then not again before `ms` have passed: what is asked for meanwhile is done by
 * one run at the end of that time.
 */
export class Coalesced {
  #ms;
  #run;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #again = false;

  /**
   * @param {number} ms
   * @param {() => void} run
   */
  constructor(ms, run) {
    this.#ms = ms;
    this.#run = run;
  }

  /** Runs now or soon. */
  ask() {
    if (this.#timer !== undefined) {
      this.#again = true;
      return;
    }
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#again) this.ask();
    }, this.#ms);
    this.#again = false;
    this.#run();
  }
}
