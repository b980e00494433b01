/** @file The drafts that are not accepted yet, kept over reloads. */

/** @import {Draft} from "./parlor.js" */

import { ParlorError } from "./errors.js";

const PREFIX = "parlor:draft:";

/**
 * @typedef {Pick<Storage, "length" | "key" | "getItem" | "setItem" | "removeItem">} DraftStorage
 */
/** @typedef {Draft & {order: number, madeAt: number}} KeptDraft */

/**
 * A bounded queue in the order of writing. Every draft has a storage key of its own, so that two
 * tabs of one visitor never write over each other's drafts; both may come to send the same draft
 * after a reload, which its id makes harmless. Where storage is missing or full a draft lives as
 * long as the page.
 */
export class Drafts {
  /** @type {KeptDraft[]} */
  #queue = [];
  /** @type {KeptDraft[]} */
  #expired = [];
  /** @type {DraftStorage | undefined} */
  #storage;
  #prefix = PREFIX;
  #limits;
  #now;

  /**
   * @param {{maxDrafts?: number, maxChars?: number, maxAgeMs?: number, now?: () => number}}
   *   [limits]
   */
  constructor({
    maxDrafts = 100,
    maxChars = 256 * 1024,
    maxAgeMs = 86_400_000,
    now = Date.now,
  } = {}) {
    this.#limits = { maxDrafts, maxChars, maxAgeMs };
    this.#now = now;
  }

  /**
   * From now on drafts are kept in `storage`; those found there come before what was written
   * meanwhile. Until it is known whose drafts they are, nothing may be read or kept: one agent's
   * draft must never go out as another's.
   *
   * @param {DraftStorage | undefined} storage
   * @param {string[]} scope whose drafts these are: server, tenant, identity
   */
  attach(storage, scope) {
    if (this.#storage || !storage) return;
    this.#storage = storage;
    this.#prefix = PREFIX + scope.map(encodeURIComponent).join("/") + "/";
    const meanwhile = this.#queue;
    this.#queue = [];
    this.#load();
    for (const draft of meanwhile) this.#append(draft);
  }

  /** What waits, oldest first. */
  get all() {
    return [...this.#queue];
  }

  /** The draft to send next. */
  get head() {
    return this.#queue[0];
  }

  /** @param {string} clientMessageId */
  has(clientMessageId) {
    return this.#queue.some((draft) => draft.clientMessageId === clientMessageId);
  }

  /**
   * Keeps a draft at the end of the queue.
   *
   * @param {Draft} draft
   * @throws {ParlorError} `too_many_drafts` when the queue is full in drafts or characters
   */
  add(draft) {
    const chars = this.#queue.reduce((sum, each) => sum + each.text.length, draft.text.length);
    if (this.#queue.length >= this.#limits.maxDrafts || chars > this.#limits.maxChars) {
      throw new ParlorError("Too many messages are waiting to be sent.", {
        code: "too_many_drafts",
        retryable: true,
      });
    }
    this.#append({ ...draft, madeAt: this.#now() });
  }

  /** @param {Draft & {madeAt: number}} draft */
  #append(draft) {
    const kept = { ...draft, order: (this.#queue.at(-1)?.order ?? 0) + 1 };
    this.#queue.push(kept);
    try {
      this.#storage?.setItem(this.#prefix + kept.clientMessageId, JSON.stringify(kept));
    } catch {
      // The storage is full or forbidden. The draft is sent all the same, and is lost on a reload.
    }
  }

  /**
   * Forgets a draft that was accepted or refused; false if it was not there any more.
   *
   * @param {string} clientMessageId
   */
  remove(clientMessageId) {
    for (const drafts of [this.#queue, this.#expired]) {
      const at = drafts.findIndex((draft) => draft.clientMessageId === clientMessageId);
      if (at < 0) continue;
      drafts.splice(at, 1);
      this.#forget(clientMessageId);
      return true;
    }
    return false;
  }

  /**
   * The drafts found too old to be sent without being asked for again. Each is handed out once and
   * is kept until then: a page may be closed before it can tell anybody.
   */
  takeExpired() {
    const expired = this.#expired.splice(0);
    for (const { clientMessageId } of expired) this.#forget(clientMessageId);
    return expired;
  }

  #load() {
    /** @type {KeptDraft[]} */
    const found = [];
    for (const key of this.#keys()) {
      const draft = parse(this.#storage?.getItem(key));
      if (draft && key === this.#prefix + draft.clientMessageId) found.push(draft);
      else this.#storage?.removeItem(key);
    }
    // Two tabs may have counted to the same number; the id then settles it the same way in both.
    found.sort((a, b) => a.order - b.order || (a.clientMessageId < b.clientMessageId ? -1 : 1));
    const oldest = this.#now() - this.#limits.maxAgeMs;
    for (const draft of found) (draft.madeAt >= oldest ? this.#queue : this.#expired).push(draft);
  }

  #keys() {
    const keys = [];
    for (let i = 0; i < (this.#storage?.length ?? 0); i += 1) {
      const key = this.#storage?.key(i);
      if (key?.startsWith(this.#prefix)) keys.push(key);
    }
    return keys;
  }

  /** @param {string} clientMessageId */
  #forget(clientMessageId) {
    try {
      this.#storage?.removeItem(this.#prefix + clientMessageId);
    } catch {
      // The draft is sent once more after a reload, and is answered as a duplicate.
    }
  }
}

/**
 * Reads a kept draft. What another version or another script has left under the prefix is no draft.
 *
 * @param {string | null | undefined} json
 * @returns {KeptDraft | undefined}
 */
function parse(json) {
  try {
    const draft = JSON.parse(json ?? "null");
    const whole =
      typeof draft?.clientMessageId === "string" &&
      typeof draft.text === "string" &&
      typeof draft.order === "number" &&
      typeof draft.madeAt === "number";
    return whole ? draft : undefined;
  } catch {
    return undefined;
  }
}
