/** @file What the dashboard asks of the server, by the client, and what it is told. */

/**
 * @import {StreamItem} from "../client/agent.js"
 * @import {ClientState, ParlorError} from "../client/agent.js"
 * @import {Counts, Draft, Frame, Patch, ProfilePatch, Signal, State} from "./types.js"
 */

import { ParlorAgent } from "../client/agent.js";
import { Events } from "./events.js";

/** The events that are entries of the stream. */
const ITEMS = /** @type {const} */ (["message", "note", "change", "rating", "linked", "read", "profile"]);
const SIGNALS = /** @type {const} */ (["typing", "visitor", "agents"]);

/**
 * `frame` brings what the stream tells, and `timeline` the id of an open conversation whose
 * timeline is another.
 *
 * @extends {Events<{frame: Frame, timeline: string | undefined, signal: Signal, state: ClientState,
 *   gap: void, drafts: void, failed: {draft: Draft, error: ParlorError}, ended: ParlorError}>}
 */
export class Api extends Events {
  #client;
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
        if (detail.source === "stream") this.tell("frame", frame);
        this.tell("timeline", frame.conversationId);
      });
    }
    for (const type of SIGNALS) {
      client.addEventListener(type, (/** @type {CustomEvent<any>} */ { detail }) => {
        this.tell("signal", { ...detail, type });
      });
    }
    client.addEventListener("accepted", () => this.tell("drafts", undefined));
    client.addEventListener("failed", ({ detail }) => this.tell("failed", detail));
    client.addEventListener("gap", () => this.tell("gap", undefined));
    client.addEventListener("state", ({ detail }) => {
      if (detail.state === "online") this.lastEventAt = now();
      this.tell("state", detail.state);
      if (detail.state === "closed" && detail.error) this.tell("ended", detail.error);
    });
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

  /** @param {{list?: string, status?: string, waiting?: string, email?: string, after?: string |
   * undefined, limit?: number}} query @returns {Promise<{conversations: (Partial<State> & {id:
   * string})[], next?: string | null, hasMore: boolean}>} */
  inbox(query) {
    return /** @type {any} */ (this.#client.inbox(/** @type {any} */ (query)));
  }

  /** @param {string} id @returns {Promise<{conversation: Partial<State> & {id: string}}>} */
  conversation(id) {
    return /** @type {any} */ (this.#client.conversation(id));
  }

  /** @returns {Promise<Counts>} */
  counts() {
    return this.#client.counts();
  }

  /** @param {string} id @param {Patch} patch
   * @returns {Promise<{conversation: Partial<State> & {id: string}}>} */
  update(id, patch) {
    return /** @type {any} */ (this.#client.update(id, patch));
  }

  /** @param {string} id @param {ProfilePatch} patch
   * @returns {Promise<{conversation: Partial<State> & {id: string}}>} */
  profile(id, patch) {
    return /** @type {any} */ (this.#client.setProfile(id, /** @type {any} */ (patch)));
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
