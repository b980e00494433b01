/** @file What a timeline has shown, in the order of the conversation. */

/** @import {TimelineItem} from "./parlor.js" */

/** A bounded list without repeats; the oldest items are forgotten first. */
export class ItemList {
  /** @type {TimelineItem[]} */
  #items = [];
  #ids = new Set();
  #max;

  /** @param {number} max */
  constructor(max) {
    this.#max = max;
  }

  /** A copy, oldest first. */
  get all() {
    return [...this.#items];
  }

  /**
   * Where the item of a cursor stands; -1 if it is not there.
   *
   * @param {string} cursor
   */
  place(cursor) {
    let at = this.#items.length - 1;
    // What is looked for is nearly always among the latest.
    while (at >= 0 && this.#items[at]?.cursor !== cursor) at -= 1;
    return at;
  }

  /** @param {TimelineItem[]} items */
  append(items) {
    this.#insert(this.#items.length, this.#new(items));
  }

  /** @param {TimelineItem[]} items older ones than all that are there */
  prepend(items) {
    this.#insert(0, this.#new(items));
  }

  /**
   * A page that may overlap with what is there: each new item gets the place after the one that it
   * follows. A page that overlaps with nothing is newer than all.
   *
   * @param {TimelineItem[]} page oldest first, without holes
   */
  merge(page) {
    const overlaps = page.some(({ id }) => this.#ids.has(id));
    if (!overlaps) return this.append(page);
    let first = page.findIndex(({ id }) => this.#ids.has(id));
    let at = this.#find(page[first]?.id);
    at += this.#insert(at, this.#new(page.slice(0, first)));
    for (; first < page.length; first += 1) {
      const item = page[first];
      if (!item) break;
      if (this.#ids.has(item.id)) at = this.#find(item.id) + 1;
      else at += this.#insert(at, this.#new([item]));
    }
  }

  /** @param {string | undefined} id */
  #find(id) {
    return this.#items.findIndex((item) => item.id === id);
  }

  /** @param {TimelineItem[]} items */
  #new(items) {
    return items.filter(({ id }) => !this.#ids.has(id) && this.#ids.add(id));
  }

  /**
   * @param {number} at
   * @param {TimelineItem[]} items
   */
  #insert(at, items) {
    this.#items.splice(at, 0, ...items);
    const forgotten = this.#items.splice(0, this.#items.length - this.#max);
    for (const { id } of forgotten) this.#ids.delete(id);
    return items.length - forgotten.length;
  }
}
