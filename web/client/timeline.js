/** @file One conversation as a reader sees it: every item once, in order. */

/** @import {TimelineItem} from "./parlor.js" */

import { ItemList } from "./item-list.js";

/**
 * How many ids are remembered at most, the latest ones.
 */
const MAX_KNOWN = 10_000;

/**
 * Two sources meet here: pages of history and the live stream. A page that is being loaded may hold
 * messages that come before live ones which have arrived already, so the live ones wait (`hold`)
 * until the page is there (`release`). Repeats are dropped by id.
 */
export class Timeline {
  /** @type {Set<string>} insertion order, so that the oldest can be forgotten first */
  #known = new Set();
  /**
   * Those of them that were shown while a page was missing. They lie beyond the hole, so that a
   * page which reaches them has not reached what was shown before it.
   *
   * @type {Set<string>}
   */
  #beyond = new Set();
  /** @type {TimelineItem[] | undefined} */
  #held;
  /** What was shown, in order. @type {ItemList | undefined} */
  #list;

  /**
   * The cursor of the oldest message that was shown, for the page before it.
   *
   * @type {string | undefined}
   */
  first;
  /** Whether there is something before `first`, as far as is known. */
  hasMore = false;
  /** A page has to be loaded before what is shown can be trusted: at first, and after a gap. */
  stale = true;
  /** The load under way. @type {Promise<string | undefined> | undefined} */
  loading;

  /** @param {{keep?: boolean}} [options] whether what was shown can be asked for again */
  constructor({ keep = true } = {}) {
    if (keep) this.#list = new ItemList(MAX_KNOWN);
  }

  /** What was shown, oldest first. */
  get items() {
    return this.#list?.all ?? [];
  }

  /** @param {string} cursor */
  place(cursor) {
    return this.#list?.place(cursor) ?? -1;
  }

  /** Whether a message was shown, and nothing is missing up to it. @param {string} id */
  has(id) {
    return this.#known.has(id) && !this.#beyond.has(id);
  }

  /** Whether there is no message that `has` would know. */
  get empty() {
    return this.#known.size === this.#beyond.size;
  }

  /** Live messages wait from now on. */
  hold() {
    this.#held ??= [];
  }

  /** Something may be missing: a page is needed, and live messages wait for it. */
  doubt() {
    this.stale = true;
    this.hold();
  }

  /**
   * A message of the stream; returns what is to be shown now.
   *
   * @param {TimelineItem} message
   * @returns {TimelineItem[]}
   */
  live(message) {
    if (this.#held) {
      this.#held.push(message);
      // By then a page that is loaded is newer than the message that has waited longest.
      if (this.#held.length > MAX_KNOWN) this.#held.shift();
      return [];
    }
    return this.#unseen([message]);
  }

  /**
   * The page has come: returns what is to be shown now, the page's first.
   *
   * @param {TimelineItem[]} page oldest first
   * @param {boolean} hasMore whether there are older ones than these
   * @returns {TimelineItem[]}
   */
  release(page, hasMore) {
    const held = this.#unhold();
    if (this.empty) {
      this.first = firstCursor(page) ?? this.first ?? firstCursor(held);
      this.hasMore = hasMore;
    }
    this.#beyond.clear();
    this.#list?.merge(page);
    return this.#unseen([...page, ...held]);
  }

  /**
   * The page will not come for now: returns what is to be shown nevertheless, which is what was
   * said meanwhile.
   *
   * @returns {TimelineItem[]}
   */
  giveUp() {
    this.stale = true;
    const held = this.#unhold();
    if (this.#known.size === 0) {
      this.first = firstCursor(held);
      this.hasMore = true;
    }
    return this.#unseen(held);
  }

  /**
   * An older page, for the top; returns what was not shown before.
   *
   * @param {TimelineItem[]} page oldest first
   * @param {boolean} hasMore
   */
  prepend(page, hasMore) {
    this.first = firstCursor(page) ?? this.first;
    this.hasMore = hasMore;
    this.#list?.prepend(page);
    return this.#unseen(page);
  }

  #unhold() {
    const held = this.#held ?? [];
    this.#held = undefined;
    return held;
  }

  /** @param {TimelineItem[]} messages */
  #unseen(messages) {
    const unseen = [];
    for (const message of messages) {
      if (this.#known.has(message.id)) continue;
      this.#known.add(message.id);
      if (this.stale) this.#beyond.add(message.id);
      unseen.push(message);
    }
    this.#list?.append(unseen);
    for (const id of this.#known) {
      if (this.#known.size <= MAX_KNOWN) break;
      this.#known.delete(id);
      this.#beyond.delete(id);
    }
    return unseen;
  }
}

/**
 * The cursor of the first item that has one.
 *
 * @param {TimelineItem[]} items
 */
export function firstCursor(items) {
  return items.find(({ cursor }) => cursor !== undefined)?.cursor;
}
