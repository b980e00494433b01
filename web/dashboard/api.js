/** @file What the dashboard asks of the server, by the client, and what it is told. */

/**
 * @import {ClientState, DeskAnswer, DeskChange, DeskItem, DeskValue, InboxQuery, ParlorError,
 *   StreamItem} from "../client/agent.js"
 * @import {Author, Counts, Draft, Frame, Patch, ProfilePatch, Signal, State} from "./types.js"
 */

import { ParlorAgent } from "../client/agent.js";
import { Events } from "./events.js";

/**
 * @typedef {Partial<State> & {id: string}} Told a state as the server tells it
 * @typedef {{conversation: Told}} Answer
 * @typedef {{conversations: Told[], next?: string | null, hasMore: boolean}} Inbox
 */

/** The events that are entries of the stream. */
const ITEMS = /** @type {const} */ ([
  "message",
  "note",
  "change",
  "rating",
  "linked",
  "read",
  "profile",
]);
const SIGNALS = /** @type {const} */ (["typing", "visitor", "agents"]);

/**
 * `frame` brings what the stream tells, and `timeline` the id of an open conversation whose
 * timeline is another; `desk` of what the team shares.
 *
 * @extends {Events<{frame: Frame, desk: DeskChange, timeline: string | undefined, signal: Signal, state: ClientState,
 *   gap: void, drafts: void, failed: {draft: Draft, error: ParlorError}, ended: ParlorError,
 *   named: string}>}
 */
export class Api extends Events {
  #client;
  /** What agents are called, by their ids. @type {Map<string, string>} */
  #names = new Map();
  /** What the desk calls them, which goes before. @type {Map<string, string>} */
  #called = new Map();
  /** When the server last told something. @type {number | undefined} */
  lastEventAt;

  /**
   * @param {{baseUrl?: string | undefined, tenantId: string, token: () => string | Promise<string>,
   *   now?: () => number}} options
   */
  constructor({ baseUrl, tenantId, token, now = Date.now }) {
    super();
    const client = new ParlorAgent({ baseUrl, tenantId, token, client: "dashboard/0.1" });
    this.#client = client;
    for (const type of ITEMS) {
      client.addEventListener(type, (/** @type {CustomEvent<any>} */ { detail }) => {
        this.lastEventAt = now();
        const item = /** @type {StreamItem} */ (detail[type]);
        const frame = frameOf({ ...item, type });
        const { author, by, sender } = detail[type];
        if (author && sender !== "user" && by !== "user" && type !== "rating") this.learn(author);
        if (detail.source === "stream") this.tell("frame", frame);
        this.tell("timeline", frame.conversationId);
      });
    }
    for (const type of SIGNALS) {
      client.addEventListener(type, (/** @type {CustomEvent<any>} */ { detail }) => {
        for (const agent of detail.agents ?? []) this.learn(agent);
        this.tell("signal", { ...detail, type });
      });
    }
    client.addEventListener("desk", ({ detail }) => {
      this.lastEventAt = now();
      this.tell("desk", detail.desk);
    });
    client.addEventListener("accepted", () => this.tell("drafts", undefined));
    client.addEventListener("failed", ({ detail }) => this.tell("failed", detail));
    client.addEventListener("gap", () => this.tell("gap", undefined));
    client.addEventListener("state", ({ detail }) => {
      if (detail.state === "online") this.lastEventAt = now();
      this.tell("state", detail.state);
      if (detail.state === "closed" && detail.error) this.tell("ended", detail.error);
    });
  }

  /** What an agent is called. @param {string} id */
  nameOf(id) {
    return this.#called.get(id) ?? this.#names.get(id) ?? id;
  }

  /** The ids of the agents that were seen, with a name. */
  get agents() {
    return [...this.#names.keys(), ...this.#called.keys()];
  }

  /** @param {Author} author */
  learn({ id, name }) {
    if (!name || this.#names.get(id) === name) return;
    this.#names.set(id, name);
    this.tell("named", id);
  }

  /** What the desk calls agents; an empty name is none. @param {[id: string, name: string][]} all */
  call(all) {
    for (const [id, name] of all) {
      if ((this.#called.get(id) ?? "") === name) continue;
      if (name === "") this.#called.delete(id);
      else this.#called.set(id, name);
      this.tell("named", id);
    }
  }

  get state() {
    return this.#client.state;
  }

  /** What waits to be sent. @returns {readonly Draft[]} */
  get drafts() {
    return this.#client.drafts;
  }

  connect() {
    this.#client.connect();
  }

  close() {
    this.#client.close();
  }

  /** @param {InboxQuery} query @returns {Promise<Inbox>} */
  async inbox(query) {
    return /** @type {Inbox} */ (await this.#client.inbox(query));
  }

  /** @param {string} id @returns {Promise<Answer>} */
  conversation(id) {
    return /** @type {Promise<Answer>} */ (this.#client.conversation(id));
  }

  /** @returns {Promise<Counts>} */
  counts() {
    return this.#client.counts();
  }

  /** @param {string} id @param {Patch} patch @returns {Promise<Answer>} */
  async update(id, patch) {
    return /** @type {Answer} */ (await this.#client.update(id, patch));
  }

  /** @param {string} id @param {ProfilePatch} patch @returns {Promise<Answer>} */
  async profile(id, patch) {
    return /** @type {Answer} */ (await this.#client.setProfile(id, patch));
  }

  /** @param {string} id @param {string} text */
  async note(id, text) {
    await this.#client.note(id, text);
  }

  /** @param {string} text @param {string} id */
  send(text, id) {
    this.#client.send(text, { conversationId: id });
    this.tell("drafts", undefined);
  }

  /** @param {string} id @param {string} cursor */
  mark(id, cursor) {
    this.#client.markRead(id, cursor);
  }

  /** @param {string} id @param {boolean} on */
  typing(id, on) {
    this.#client.typing(id, on);
  }

  /** @param {string | null} open @param {string[]} visible */
  look(open, visible) {
    this.#client.look({ open, visible });
  }

  // === what the team shares ===

  /** All of it, by kind and key. */
  async shared() {
    return /** @type {DeskAnswer} */ (await this.#client.desk()).desk;
  }

  /** @param {DeskItem} item @param {string} key @param {DeskValue | null} value */
  async furnish(item, key, value) {
    await this.#client.furnish(item, key, value);
  }

  /** @param {{name: string, availability: "online" | "away"}} me */
  async setMe(me) {
    await this.#client.setMe(me);
  }

  // === the open conversation ===

  /** @param {string} id */
  open(id) {
    return this.#client.open(id);
  }

  /** @param {string} id */
  leave(id) {
    this.#client.leave(id);
  }

  /** @param {string} id */
  hasOlder(id) {
    return this.#client.hasOlder(id);
  }

  /** @param {string} id */
  async older(id) {
    await this.#client.older(id);
  }

  /** What is known of an open conversation, in order. @param {string} id @returns {Frame[]} */
  timeline(id) {
    return this.#client.timeline(id).map(frameOf);
  }
}

/**
 * An item of the client as the protocol writes it.
 *
 * @param {any} item
 * @returns {Frame}
 */
function frameOf(item) {
  const { type, conversationId } = item;
  if (type === "linked") return item;
  return /** @type {Frame} */ ({ type, conversationId, [type]: item });
}
