/** @file What a page says about its visitor, kept until the server takes it. */

/** @import {Profile} from "./parlor.js" */

import { ParlorError } from "./errors.js";

/** The server knows a visitor from the first message on, and answers 404 before. */
export class PendingProfile {
  #tell;
  /** @type {Profile | undefined} */
  #kept;
  /** @type {Promise<boolean> | undefined} */
  #telling;

  /** @param {(profile: Profile) => Promise<unknown>} tell */
  constructor(tell) {
    this.#tell = tell;
  }

  /**
   * @param {Profile} profile what is to be changed
   * @param {boolean} now whether the server can be told now
   * @returns {Promise<boolean>} whether the server has it; else it is kept
   */
  async set(profile, now) {
    this.#kept = merge(this.#kept, profile);
    if (!now) return false;
    // What is on its way does not hold this one.
    await this.#telling?.catch(() => {});
    return this.#flush();
  }

  /** Tells what is kept; nobody waits for the answer. */
  flush() {
    this.#flush().catch(() => {});
  }

  async #flush() {
    this.#telling ??= this.#once().finally(() => (this.#telling = undefined));
    return this.#telling;
  }

  async #once() {
    const profile = this.#kept;
    if (!profile) return true;
    this.#kept = undefined;
    try {
      await this.#tell(profile);
      return true;
    } catch (thrown) {
      const error = ParlorError.wrap(thrown);
      const early = error.status === 404;
      if (early || error.retryable) this.#kept = merge(profile, this.#kept ?? {});
      if (early) return false;
      throw error;
    }
  }
}

/**
 * @param {Profile | undefined} before
 * @param {Profile} after
 * @returns {Profile}
 */
function merge(before, after) {
  if (!before) return after;
  const attributes = { ...before.attributes, ...after.attributes };
  return { ...before, ...after, ...(Object.keys(attributes).length > 0 && { attributes }) };
}
