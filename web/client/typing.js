/** @file Who is typing: told at a bounded pace, and believed for a while. */

/** @import {Typing} from "./parlor.js" */

/** How often it is repeated, and how long it holds without; the protocol's numbers. */
const REPEAT_MS = 3_000;
const HOLD_MS = 6_000;
/** How many typists are remembered at most. */
const MAX_HEARD = 1_000;

/** Tells that this side is typing in one conversation. */
export class TypingTold {
  #tell;
  #on = false;
  /** When `on` was last told, by the page's clock. */
  #toldAt = -Infinity;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #later;

  /** @param {(on: boolean) => void} tell */
  constructor(tell) {
    this.#tell = tell;
  }

  /** @param {boolean} on */
  set(on) {
    clearTimeout(this.#timer);
    clearTimeout(this.#later);
    if (!on) {
      if (this.#on) this.#tell(false);
      this.#on = false;
      return;
    }
    this.#timer = setTimeout(() => this.set(false), HOLD_MS);
    const early = this.#toldAt + REPEAT_MS - performance.now();
    if (early <= 0) this.#begin();
    // Whoever has just sent something and types on may pause before the next call.
    else if (!this.#on) this.#later = setTimeout(() => this.#begin(), early);
  }

  #begin() {
    this.#toldAt = performance.now();
    this.#on = true;
    this.#tell(true);
  }
}

/** What others tell. The end of it may get lost, and comes by itself. */
export class TypingHeard {
  #show;
  /** @type {Map<string, ReturnType<typeof setTimeout>>} */
  #timers = new Map();

  /** @param {(typing: Typing) => void} show */
  constructor(show) {
    this.#show = show;
  }

  /** @param {Typing} typing */
  hear(typing) {
    const { conversationId, by, author, on, expiresInMs = HOLD_MS } = typing;
    const key = JSON.stringify([conversationId, by, author?.id, author?.name]);
    const known = this.#timers.has(key);
    clearTimeout(this.#timers.get(key));
    this.#timers.delete(key);
    if (!on && !known) return;
    if (on) {
      if (this.#timers.size >= MAX_HEARD) return;
      const end = () => {
        this.#timers.delete(key);
        this.#show({ ...typing, on: false });
      };
      this.#timers.set(key, setTimeout(end, Math.min(expiresInMs, 10 * HOLD_MS)));
    }
    if (on !== known) this.#show(typing);
  }
}
