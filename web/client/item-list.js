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

  /** Where the item of a cursor stands; -1 if it is not there. @param {string} cursor */
  place(cursor) {
    let at = this.#items.length - 1;
    // What is looked for is nearly always among the latest.
    while (at >= 0 && this.#items[at]?.cursor !== cursor) at -= 1;
    return at;
  }

  /** @param {TimelineItem[]} items */
  append(items) {
    this.#insert(this.#items.length, items);
  }

  /** @param {TimelineItem[]} items older ones than all that are there */
  prepend(items) {
    this.#insert(0, items);
  }

  /**
   * A page without holes that may overlap with what is there: each new item comes after the one
   * that it follows. A page that overlaps with nothing is newer than all.
   *
   * @param {TimelineItem[]} page
   */
  merge(page) {
    const first = page.find(({ id }) => this.#ids.has(id));
    let at = first ? this.#find(first) : this.#items.length;
    for (const item of page) {
      if (this.#ids.has(item.id)) at = this.#find(item) + 1;
      else at += this.#insert(at, [item]);
    }
  }

  /** @param {TimelineItem} item one that is there, perhaps as another object */
  #find({ id }) {
    return this.#items.findIndex((item) => item.id === id);
  }

  /**
   * @param {number} at
   * @param {TimelineItem[]} items
   * @returns how far what comes next has moved
   */
  #insert(at, items) {
    const fresh = items.filter(({ id }) => !this.#ids.has(id) && this.#ids.add(id));
    this.#items.splice(at, 0, ...fresh);
    const forgotten = this.#items.splice(0, this.#items.length - this.#max);
    for (const { id } of forgotten) this.#ids.delete(id);
    return fresh.length - forgotten.length;
  }
}
