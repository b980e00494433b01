/** @file What happened in the open conversation: every entry once, in order. */

/** @import {Api} from "./api.js" @import {Frame, Read} from "./types.js" */

/**
 * @typedef {Exclude<Frame, {type: "read" | "profile"}>} EntryFrame
 * @typedef {{key: string, frame: EntryFrame} | {key: string, gap: true}} Entry
 */

/**
 * Entries come from pages and from the stream. While the newest page is on its way, what the stream
 * brings waits, since it comes after it; repeats are dropped by their key.
 */
export class Story {
  /** @type {Entry[]} */
  entries = [];
  hasOlder = false;
  /** @type {"loading" | "ready" | "failed"} */
  phase = "loading";
  loadingOlder = false;
  /** How far the visitor has read, as a cursor. @type {string | null} */
  readByVisitor = null;

  #api;
  #tell;
  /** @type {Set<string>} */
  #keys = new Set();
  /** @type {EntryFrame[] | undefined} */
  #held;
  #gaps = 0;
  #over = false;

  /**
   * @param {string} id
   * @param {Api} api
   * @param {() => void} tell something is different
   */
  constructor(id, api, tell) {
    this.id = id;
    this.#api = api;
    this.#tell = () => {
      if (!this.#over) tell();
    };
  }

  /** Nothing is told any more. */
  end() {
    this.#over = true;
  }

  /** The cursor of the last entry. */
  get last() {
    for (let at = this.entries.length - 1; at >= 0; at -= 1) {
      const cursor = cursorOf(this.entries[at]);
      if (cursor) return cursor;
    }
    return undefined;
  }

  get hasGap() {
    return this.entries.some((entry) => "gap" in entry);
  }

  /**
   * Loads the newest page. What it shares with the entries joins them; if it shares nothing, they
   * are replaced, unless there is a gap that the reader may want to keep reading before.
   *
   * @param {{keep?: boolean}} [how] whether the entries stay where the page does not reach them
   */
  async load({ keep = false } = {}) {
    this.#held ??= [];
    if (this.entries.length === 0) this.phase = "loading";
    this.#tell();
    try {
      const { events, hasMore } = await this.#api.timeline(this.id, {});
      const page = events.filter(isEntry);
      const reaches = page.some((frame) => this.#keys.has(keyOf(frame)));
      if (reaches) this.#join(page);
      else if (!keep || this.entries.length === 0) this.#replace(page, hasMore);
      this.phase = "ready";
    } catch {
      this.phase = this.entries.length === 0 ? "failed" : "ready";
    }
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const frame of held) this.#append(frame);
    this.#tell();
  }

  async older() {
    const before = this.entries.map(cursorOf).find(Boolean);
    if (!this.hasOlder || this.loadingOlder || !before) return;
    this.loadingOlder = true;
    try {
      const { events, hasMore } = await this.#api.timeline(this.id, { before });
      const fresh = events.filter(isEntry).filter((frame) => !this.#keys.has(keyOf(frame)));
      for (const frame of fresh) this.#keys.add(keyOf(frame));
      this.entries = [...fresh.map(entry), ...this.entries];
      this.hasOlder = hasMore;
    } catch {
      // The button is still there.
    }
    this.loadingOlder = false;
    this.#tell();
  }

  /** @param {Frame} frame of the stream */
  receive(frame) {
    if (frame.type === "read") this.#read(frame.read);
    if (!isEntry(frame)) return;
    if (this.#held) this.#held.push(frame);
    else this.#append(frame);
    this.#tell();
  }

  /** Something may be missing from here on. */
  gap() {
    if (this.entries.length === 0 || "gap" in (this.entries.at(-1) ?? {})) return;
    this.#gaps += 1;
    this.entries = [...this.entries, { key: `gap-${this.#gaps}`, gap: true }];
    this.#tell();
  }

  /** @param {Read} read */
  #read({ by, upTo }) {
    if (by !== "user") return;
    this.readByVisitor = upTo;
    this.#tell();
  }

  /** @param {EntryFrame} frame */
  #append(frame) {
    const key = keyOf(frame);
    if (this.#keys.has(key)) return;
    this.#keys.add(key);
    this.entries = [...this.entries, entry(frame)];
  }

  /** @param {EntryFrame[]} page */
  #replace(page, /** @type {boolean} */ hasMore) {
    this.#keys = new Set(page.map(keyOf));
    this.entries = page.map(entry);
    this.hasOlder = hasMore;
  }

  /** The page shares entries with what is there: its order counts. @param {EntryFrame[]} page */
  #join(page) {
    const inPage = new Set(page.map(keyOf));
    const first = this.entries.findIndex(({ key }) => inPage.has(key));
    const later = this.entries.slice(first).filter((each) => !("gap" in each) && !inPage.has(each.key));
    const before = this.entries.slice(0, first).filter((each) => !("gap" in each));
    for (const frame of page) this.#keys.add(keyOf(frame));
    const known = new Set(before.map(({ key }) => key));
    this.entries = [...before, ...page.filter((f) => !known.has(keyOf(f))).map(entry), ...later];
  }
}

/** @param {Frame} frame @returns {frame is EntryFrame} */
function isEntry(frame) {
  return ["message", "note", "change", "rating", "linked"].includes(frame.type);
}

/** @param {EntryFrame} frame */
function keyOf(frame) {
  if (frame.type === "linked") return `linked:${frame.conversationIds.join(",")}`;
  return `${frame.type}:${bodyOf(frame).id}`;
}

/** @param {EntryFrame} frame @returns {Entry} */
function entry(frame) {
  return { key: keyOf(frame), frame };
}

/** @param {Exclude<EntryFrame, {type: "linked"}>} frame */
export function bodyOf(frame) {
  switch (frame.type) {
    case "message":
      return frame.message;
    case "note":
      return frame.note;
    case "change":
      return frame.change;
    case "rating":
      return frame.rating;
  }
}

/** @param {Entry | undefined} each */
export function cursorOf(each) {
  if (!each || "gap" in each || each.frame.type === "linked") return undefined;
  return bodyOf(each.frame).cursor;
}
