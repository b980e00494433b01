/** @file Sends the drafts: in order, one in flight at a time, each with the id it was made with. */

/** @import {Draft, Receipt} from "./parlor.js" */
/** @import {Drafts} from "./drafts.js" */

import { Backoff } from "./backoff.js";
import { ParlorError } from "./errors.js";

/**
 * What becomes of a draft: accepted (leaves the queue), refused for good (leaves it too), or put
 * off (stays at the head, so that a later one never overtakes it). A draft whose answer was lost
 * with the connection stays as it is and is sent again after the next `start`.
 */
export class Sender {
  #drafts;
  #events;
  #backoff;
  /** @type {((draft: Draft) => Promise<Receipt>) | undefined} */
  #deliver;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #busy = false;

  /**
   * @param {Drafts} drafts
   * @param {{accepted: (receipt: Receipt) => void, failed: (draft: Draft, error: ParlorError) =>
   *   void}} events
   * @param {Backoff} [backoff]
   */
  constructor(drafts, events, backoff = new Backoff()) {
    this.#drafts = drafts;
    this.#events = events;
    this.#backoff = backoff;
  }

  /**
   * From now on drafts go out by `deliver`, which **must** settle: with a receipt, or with a
   * `ParlorError`, whose code `disconnected` says that nothing can be sent until the next `start`.
   *
   * @param {(draft: Draft) => Promise<Receipt>} deliver
   */
  start(deliver) {
    this.#deliver = deliver;
    this.#backoff.reset();
    this.pump();
  }

  /** Nothing goes out until the next `start`. */
  stop() {
    this.#deliver = undefined;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Sends the next draft, unless one is in flight or put off. */
  pump() {
    if (this.#busy || this.#timer !== undefined || !this.#deliver) return;
    const draft = this.#drafts.head;
    if (draft) void this.#send(draft, this.#deliver);
  }

  /**
   * Takes note that a draft is in the stream, whoever sent it: another tab, or an attempt whose
   * answer was lost.
   *
   * @param {Receipt} receipt
   */
  settle(receipt) {
    if (this.#drafts.remove(receipt.clientMessageId)) this.#events.accepted(receipt);
  }

  /**
   * @param {Draft} draft
   * @param {(draft: Draft) => Promise<Receipt>} deliver
   */
  async #send(draft, deliver) {
    this.#busy = true;
    try {
      this.settle(await deliver(draft));
      this.#backoff.reset();
    } catch (thrown) {
      this.#refused(draft, ParlorError.wrap(thrown), deliver);
    } finally {
      this.#busy = false;
    }
    // Another `start` may have come while this draft was in flight, and found the sender busy.
    this.pump();
  }

  /**
   * @param {Draft} draft
   * @param {ParlorError} error
   * @param {(draft: Draft) => Promise<Receipt>} deliver the way it was refused on
   */
  #refused(draft, error, deliver) {
    if (error.code === "disconnected") {
      if (this.#deliver === deliver) this.#deliver = undefined;
    } else if (error.retryable) {
      if (!this.#deliver) return;
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        this.pump();
      }, error.retryAfterMs ?? this.#backoff.next());
    } else if (this.#drafts.remove(draft.clientMessageId)) {
      this.#events.failed(draft, error);
    }
  }
}
