/** @file How far somebody has read in one conversation, told now and then. */

import { Coalesced } from "./coalesce.js";
import { ParlorError } from "./errors.js";

/** How often a mark is told at most; the protocol's number. */
const EVERY_MS = 2_000;
/** How often a mark is told again that did not arrive. */
const TRIES = 5;

/** The mark of one reader in one conversation: it only rises. */
export class Mark {
  #place;
  #tell;
  #pace;
  /** The highest that was asked for. @type {string | undefined} */
  #highest;
  /** What the server has, as far as is known. @type {string | undefined} */
  #told;
  #failures = 0;
  #busy = false;

  /**
   * @param {(cursor: string) => number} place where a cursor stands in the timeline; -1 where it is
   *   unknown
   * @param {(cursor: string) => Promise<unknown> | undefined} tell `undefined` where it cannot be
   *   told now, and somebody calls `again` later
   */
  constructor(place, tell) {
    this.#place = place;
    this.#tell = tell;
    this.#pace = new Coalesced(EVERY_MS, () => void this.#run());
  }

  /** @param {string} cursor of the last thing that was read */
  set(cursor) {
    if (this.#highest !== undefined) {
      if (cursor === this.#highest) return;
      const before = this.#place(this.#highest);
      if (before >= 0 && this.#place(cursor) < before) return;
    }
    this.#highest = cursor;
    this.#failures = 0;
    this.#pace.ask();
  }

  /**
   * Tells what was not told.
   *
   * @param {boolean} [lost] whether what was told last may have been lost
   */
  again(lost = false) {
    if (lost) this.#told = undefined;
    if (this.#highest !== this.#told) this.#pace.ask();
  }

  async #run() {
    const cursor = this.#highest;
    if (this.#busy || cursor === undefined || cursor === this.#told) return;
    const telling = this.#tell(cursor);
    if (!telling) return;
    this.#told = cursor;
    this.#busy = true;
    try {
      await telling;
      this.#failures = 0;
    } catch (thrown) {
      this.#failures += 1;
      // A mark that is refused is not worth an error to anybody: the next one says more.
      if (ParlorError.wrap(thrown).retryable) this.#told = undefined;
    }
    this.#busy = false;
    if (this.#failures < TRIES) this.again();
  }
}
