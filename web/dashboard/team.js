/** @file What the team shares: canned replies, teams, labels, and who the agents are. */

/**
 * @import {DeskItem, DeskValue} from "../client/agent.js"
 * @import {Api} from "./api.js"
 * @import {Me} from "./types.js"
 */

import { Events } from "./events.js";

/** When it is asked for again after an answer that did not come. */
const AGAIN_MS = 10_000;
/** What a value may have at most as JSON; the protocol's number. */
export const MAX_VALUE_BYTES = 2_048;

/** @param {DeskValue} value */
export function bytesOf(value) {
  return new TextEncoder().encode(JSON.stringify(value)).length;
}

/**
 * A copy of the server's desk. What this page changes is shown at once, and taken back where the
 * server refuses it.
 *
 * @extends {Events<{changed: void}>}
 */
export class Team extends Events {
  #api;
  #me;
  /** By kind and key. @type {Map<string, DeskValue>} */
  #things = new Map();
  /** What was told or changed since it was asked for: newer than the answer. @type {Set<string>} */
  #newer = new Set();
  /** Whether the server has told what is on it; `none`: it is older than desks. */
  #state = /** @type {"unknown" | "known" | "none"} */ ("unknown");
  #loading = false;
  #again = false;

  /** @param {Api} api @param {Me} me */
  constructor(api, me) {
    super();
    this.#api = api;
    this.#me = me;
    api.on("desk", ({ item, key, value }) => this.#put(item, key, value));
    api.on("state", (state) => {
      if (state === "online" && this.#state === "unknown") void this.load();
    });
    api.on("gap", () => void this.load());
  }

  /** Whether the server has a desk, and has told what is on it. */
  get known() {
    return this.#state === "known";
  }

  /** Things of a kind, by their keys. @param {DeskItem} item @returns {[string, DeskValue][]} */
  all(item) {
    const start = place(item, "");
    return [...this.#things]
      .filter(([at]) => at.startsWith(start))
      .map(([at, value]) => [at.slice(start.length), value]);
  }

  /** What the things of a kind are called. @param {"team" | "label"} item */
  names(item) {
    return this.all(item).map(([key, { name }]) => wordsOf(name) || key);
  }

  /** The agents whom the desk names. */
  get agents() {
    return this.all("agent").map(([id]) => id);
  }

  /** @param {string} id of an agent */
  isAway(id) {
    return this.#things.get(place("agent", id))?.availability === "away";
  }

  /** Asks for all of it. Once the stream is live, nothing is missed between the two. */
  async load() {
    if (this.#state === "none") return;
    this.#again = this.#loading;
    if (this.#loading) return;
    this.#loading = true;
    this.#newer.clear();
    try {
      this.#take(await this.#api.shared());
      this.#state = "known";
    } catch (thrown) {
      const error = /** @type {{status?: number, retryable?: boolean}} */ (thrown ?? {});
      if (error.status === 404 || error.status === 405) this.#state = "none";
      // A token that has ended is not asked for here: the next connection begins anew.
      else if (error.retryable) setTimeout(() => void this.load(), AGAIN_MS);
    }
    this.#loading = false;
    this.tell("changed", undefined);
    if (this.#again) void this.load();
  }

  /**
   * Changes a thing for everybody; `null` takes it away.
   *
   * @param {DeskItem} item
   * @param {string} key
   * @param {DeskValue | null} value
   */
  furnish(item, key, value) {
    return this.#write(item, key, value, () => this.#api.furnish(item, key, value));
  }

  /** Says who this agent is. @param {{name?: string, away?: boolean}} what */
  setMe({ name = this.#api.nameOf(this.#me.id), away = this.isAway(this.#me.id) }) {
    const availability = away ? /** @type {const} */ ("away") : /** @type {const} */ ("online");
    const value = { name, availability };
    return this.#write("agent", this.#me.id, value, () => this.#api.setMe(value));
  }

  /**
   * @param {DeskItem} item
   * @param {string} key
   * @param {DeskValue | null} value
   * @param {() => Promise<unknown>} write
   */
  async #write(item, key, value, write) {
    const at = place(item, key);
    const before = this.#things.get(at) ?? null;
    this.#put(item, key, value);
    try {
      await write();
    } catch (thrown) {
      // What somebody else has put there meanwhile stays.
      if ((this.#things.get(at) ?? null) === value) this.#put(item, key, before);
      throw thrown;
    }
  }

  /** @param {{[item: string]: {[key: string]: DeskValue}}} desk */
  #take(desk) {
    for (const at of [...this.#things.keys()]) if (!this.#newer.has(at)) this.#things.delete(at);
    for (const [item, things] of Object.entries(desk)) {
      for (const [key, value] of Object.entries(things)) {
        if (!this.#newer.has(place(item, key))) this.#things.set(place(item, key), value);
      }
    }
    this.#api.call(this.all("agent").map(([id, { name }]) => [id, wordsOf(name)]));
  }

  /** @param {string} item @param {string} key @param {DeskValue | null} value */
  #put(item, key, value) {
    const at = place(item, key);
    this.#newer.add(at);
    if (value === null) this.#things.delete(at);
    else this.#things.set(at, value);
    if (item === "agent") this.#api.call([[key, wordsOf(value?.name)]]);
    this.tell("changed", undefined);
  }
}

/** @param {string} item @param {string} key */
function place(item, key) {
  return `${item}/${key}`;
}

/** What other programs put on the desk need not be a text. @param {unknown} value */
export function wordsOf(value) {
  return typeof value === "string" ? value : "";
}
