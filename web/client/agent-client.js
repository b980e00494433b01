/** @file An agent's client; what `agent.js` exports as `ParlorAgent`. */

/**
 * @import {AgentOptions, ChangesPage, ConversationAnswer, Counts, DeskAnswer, DeskItem, DeskThing,
 *   Look, Me, Note, Patch, Profile} from "./agent.js"
 */

import { Client, whole } from "./client.js";
import { Coalesced } from "./coalesce.js";
import { Mark } from "./marks.js";
import { conversationPath } from "./rest.js";
import { TypingTold } from "./typing.js";

/** How often the server is told at most what this agent looks at; the protocol's number. */
const LOOK_MS = 2_000;
/** How many rows a look names at most; the protocol's number. */
const MAX_VISIBLE = 64;
/** How many conversations' marks and typing are remembered at most. */
const MAX_KNOWN = 1_000;

export class AgentClient extends Client {
  /** @type {Map<string, Mark>} */
  #marks = new Map();
  /** @type {Map<string, TypingTold>} */
  #typing = new Map();
  /** @type {Look | undefined} */
  #look;
  #looking = new Coalesced(LOOK_MS, () => this.#tellLook());

  /** @param {AgentOptions} options */
  constructor(options) {
    if (!options.token) throw new TypeError("An agent's client needs a token.");
    super(options);
  }

  /**
   * @override
   * @param {string} text
   * @param {{conversationId?: string | undefined}} [to]
   */
  send(text, to) {
    const draft = super.send(text, to);
    if (draft.conversationId !== undefined) this.#typing.get(draft.conversationId)?.set(false);
    return draft;
  }

  /** @param {string} id @returns {Promise<ConversationAnswer>} */
  async conversation(id) {
    return /** @type {ConversationAnswer} */ (await this.rest.call("GET", conversationPath(id)));
  }

  /** @returns {Promise<Counts>} */
  async counts() {
    return /** @type {Counts} */ (await this.rest.call("GET", "/api/agent/counts"));
  }

  /**
   * @param {string | undefined} [since]
   * @param {number} [limit]
   * @returns {Promise<ChangesPage>}
   */
  changes(since, limit) {
    return this.rest.changes(since, limit);
  }

  /**
   * @param {string} id
   * @param {Patch} patch
   * @returns {Promise<ConversationAnswer>}
   */
  update(id, patch) {
    const body = { clientMessageId: this.newId(), ...patch };
    return this.#insist("PATCH", conversationPath(id), body);
  }

  /**
   * @param {string} id
   * @param {string} text
   * @returns {Promise<Note>}
   */
  async note(id, text) {
    const body = { text: whole(text), clientMessageId: this.newId() };
    const { note } = await this.#insist("POST", conversationPath(id, "notes"), body);
    return { ...note, type: "note", conversationId: id };
  }

  /**
   * @param {string} id
   * @param {Profile} profile
   * @returns {Promise<ConversationAnswer>}
   */
  setProfile(id, profile) {
    return this.#insist("PUT", conversationPath(id, "profile"), profile);
  }

  /** @returns {Promise<DeskAnswer>} */
  desk() {
    return this.#insist("GET", "/api/agent/desk");
  }

  /**
   * @param {DeskItem} item
   * @param {string} key
   * @param {object | null} value
   * @returns {Promise<DeskThing>}
   */
  furnish(item, key, value) {
    const path = `/api/agent/desk/${item}/${encodeURIComponent(key)}`;
    return this.#insist(value ? "PUT" : "DELETE", path, value && { value });
  }

  /** @param {Me} me @returns {Promise<DeskThing>} */
  setMe(me) {
    return this.#insist("PUT", "/api/agent/me", me);
  }

  /**
   * @param {string} id
   * @param {string} cursor
   */
  markRead(id, cursor) {
    const make = () =>
      new Mark(
        (place) => this.place(id, place),
        (read) => this.rest.call("PUT", conversationPath(id, "mark"), { body: { read } }),
      );
    remembered(this.#marks, id, make).set(cursor);
  }

  /**
   * @param {string} id
   * @param {boolean} on
   */
  typing(id, on) {
    const make = () =>
      new TypingTold((now) => this.signal({ type: "typing", conversationId: id, on: now }));
    remembered(this.#typing, id, make).set(on);
  }

  /** @param {Partial<Look>} look */
  look({ open = null, visible = [] }) {
    this.#look = { open, visible: visible.slice(0, MAX_VISIBLE) };
    this.#looking.ask();
  }

  /** @override */
  stateChanged() {
    if (this.state !== "online") return;
    for (const mark of this.#marks.values()) mark.again();
    // A new socket knows nothing of what was looked at before.
    if (!this.polling && this.#look) this.#looking.ask();
  }

  #tellLook() {
    if (this.state === "online") this.signal({ type: "look", ...this.#look });
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {object | null} [body]
   * @returns {Promise<any>}
   */
  async #insist(method, path, body) {
    const { insist } = await import("./insist.js");
    return insist(() => this.rest.call(method, path, body ? { body } : {}));
  }
}

/**
 * What a map has under a key, made where it has nothing; the one that was made first goes when
 * there are too many.
 *
 * @template T
 * @param {Map<string, T>} map
 * @param {string} key
 * @param {() => T} make
 * @returns {T}
 */
function remembered(map, key, make) {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  const [first] = map.keys();
  if (map.size > MAX_KNOWN && first !== undefined) map.delete(first);
  return made;
}
