/** @file What happened in the open conversation: every entry once, in order. */

/** @import {Api} from "./api.js" @import {Frame} from "./types.js" */

/**
 * @typedef {Exclude<Frame, {type: "read" | "profile"}>} EntryFrame
 * @typedef {{key: string, frame: EntryFrame} | {key: string, gap: true}} Entry
 */

/** While there is a gap, the page is asked for again, less and less often. */
const FIRST_RETRY_MS = 1_000;
const MAX_RETRY_MS = 30_000;

/**
 * The client keeps the timeline; this adds what a reader needs besides: whether it is being loaded,
 * and the line where something may be missing.
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
  /** The entry after which something may be missing. @type {string | undefined} */
  #gapAfter;
  #over = false;
  #retryMs = FIRST_RETRY_MS;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {string} id
   * @param {Api} api
   * @param {() => void} tell something is different
   */
  constructor(id, api, tell) {
    this.id = id;
    this.#api = api;
    this.#tell = tell;
  }

  /** Nothing is told any more. */
  end() {
    this.#over = true;
    clearTimeout(this.#timer);
    this.#api.leave(this.id);
  }

  /** The cursor of the last message, for a mark: visitors know no other events. */
  get last() {
    const isMessage = (/** @type {Entry} */ each) =>
      !("gap" in each) && each.frame.type === "message";
    return cursorOf(this.entries.findLast(isMessage));
  }

  /** Loads the newest page; with it there is no gap any more. */
  async load() {
    clearTimeout(this.#timer);
    if (this.entries.length === 0) this.phase = "loading";
    this.#tell();
    try {
      await this.#api.open(this.id);
      this.#gapAfter = undefined;
      this.#retryMs = FIRST_RETRY_MS;
      this.phase = "ready";
    } catch {
      this.phase = this.entries.length === 0 ? "failed" : "ready";
      if (this.#gapAfter !== undefined) this.#retry();
    }
    this.refresh();
  }

  #retry() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.load(), this.#retryMs);
    this.#retryMs = Math.min(2 * this.#retryMs, MAX_RETRY_MS);
  }

  async older() {
    if (!this.hasOlder || this.loadingOlder) return;
    this.loadingOlder = true;
    try {
      await this.#api.older(this.id);
    } catch {
      // The button is still there.
    }
    this.loadingOlder = false;
    this.refresh();
  }

  /** Takes what the client has now. */
  refresh() {
    if (this.#over) return;
    /** @type {Entry[]} */
    const entries = [];
    for (const frame of this.#api.timeline(this.id)) {
      if (!isEntry(frame)) continue;
      const key = keyOf(frame);
      entries.push({ key, frame });
      if (key === this.#gapAfter) entries.push({ key: `gap:${key}`, gap: true });
    }
    this.entries = entries;
    this.hasOlder = this.#api.hasOlder(this.id);
    this.#tell();
  }

  /** Something may be missing from here on. */
  gap() {
    this.#gapAfter ??= this.entries.at(-1)?.key;
    this.refresh();
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
