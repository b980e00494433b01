/**
 * @file What there is to show of the visitor's conversation: gathered from the client's events, and
 *   told with one event, `change`.
 */

/** @import {Draft, Message, ParlorClient, ParlorError, VisitorStatus} from "../client/parlor.js" */

/**
 * @typedef {object} Line something that was said, or is about to be
 * @property {string} key the same for a draft and the message that it becomes
 * @property {string} text
 * @property {boolean} own
 * @property {string} name the author's, where it is known
 * @property {string} at ISO 8601
 * @property {string | undefined} cursor
 * @property {"said" | "waiting" | "failed"} state
 * @property {ParlorError | undefined} error
 */

export class Conversation extends EventTarget {
  /** @type {ParlorClient | undefined} */
  #client;
  /** What was said, oldest first. @type {Line[]} */
  #said = [];
  /** What is not accepted, by key. @type {Map<string, Line>} */
  #drafts = new Map();
  /** What was written before it was known who the visitor is. @type {string[]} */
  #early = [];
  /** The same of a profile. @type {import("../client/parlor.js").Profile} */
  #earlyProfile = {};
  /** How far the team has read: the cursors that were named. @type {Set<string>} */
  #read = new Set();
  #seen = -1;
  /** The first page of history is there. */
  loaded = false;
  /** @type {import("../client/parlor.js").ClientState} */
  state = "idle";
  /** Why it does not come back by itself. @type {ParlorError | undefined} */
  refused;
  /** Whether somebody of the team is online. @type {boolean | null} */
  here = null;
  /** @type {VisitorStatus} */
  status = "open";
  /** The names of those who are typing; an empty one where there is none. @type {Set<string>} */
  typing = new Set();

  /** Everything there is, oldest first; drafts at the end. */
  get lines() {
    return [...this.#said, ...this.#drafts.values()];
  }

  /** Whether the visitor wrote here, ever. */
  get begun() {
    return this.lines.some(({ own }) => own);
  }

  get hasOlder() {
    return this.#client?.hasOlder() ?? false;
  }

  /** Where the own line is in `lines` up to which the team has read; -1 where that is nowhere. */
  get seen() {
    return this.#seen;
  }

  /** The cursor up to which everything is shown. */
  get cursor() {
    return this.#said.at(-1)?.cursor;
  }

  /** @param {ParlorClient} client not connected yet */
  attach(client) {
    this.#client = client;
    for (const draft of client.drafts) this.#wait(draft);
    client.addEventListener("message", ({ detail }) => this.#say(detail.message));
    client.addEventListener("accepted", ({ detail }) => this.#accepted(detail.clientMessageId));
    client.addEventListener("failed", ({ detail }) => this.#failed(detail.draft, detail.error));
    client.addEventListener("state", ({ detail }) => {
      this.state = detail.state;
      this.refused = detail.state === "closed" ? detail.error : undefined;
      if (detail.state === "online") {
        this.loaded = true;
        this.status = client.status ?? this.status;
      } else {
        this.typing.clear();
      }
      this.#changed();
    });
    client.addEventListener("here", ({ detail }) => {
      this.here = detail.here;
      this.#changed();
    });
    client.addEventListener("typing", ({ detail: { by, author, on } }) => {
      if (by === "user") return;
      const name = author?.name ?? "";
      if (on) this.typing.add(name);
      else this.typing.delete(name);
      this.#changed();
    });
    client.addEventListener("read", ({ detail: { read } }) => {
      if (read.by !== "agent") return;
      this.#look();
      this.#changed();
    });
    client.addEventListener("change", ({ detail: { change } }) => {
      if (change.status === undefined) return;
      const status = change.status === "closed" ? "closed" : "open";
      if (status === "closed" && this.status === "open") this.#tell("closed");
      this.status = status;
      this.#changed();
    });
    if (Object.keys(this.#earlyProfile).length > 0) void this.tellProfile(this.#earlyProfile);
    for (const text of this.#early.splice(0)) this.send(text);
  }

  /** @param {string} text */
  send(text) {
    if (!this.#client) {
      this.#early.push(text);
      return;
    }
    this.#wait(this.#client.send(text));
    this.#changed();
  }

  /** Sends again what was refused. @param {string} key */
  again(key) {
    const line = this.#drafts.get(key);
    if (!line || line.state !== "failed") return;
    this.#drafts.delete(key);
    this.send(line.text);
  }

  /** Loads what was said before. */
  async older() {
    const page = await this.#client?.older();
    for (const message of page?.messages ?? []) this.#place(message);
    this.#look();
    this.#changed();
  }

  connect() {
    this.#client?.connect();
  }

  /** @param {boolean} on */
  tellTyping(on) {
    this.#client?.typing(on);
  }

  /** Tells the team that everything shown was read. */
  tellRead() {
    const last = this.#said.findLast(({ own }) => !own);
    if (last?.cursor !== undefined) this.#client?.markRead(last.cursor);
  }

  /**
   * What is known of the visitor. The client keeps it until the server takes it, and what the
   * server refuses for good is nothing that the visitor could mend here.
   *
   * @param {import("../client/parlor.js").Profile} profile
   */
  async tellProfile(profile) {
    if (!this.#client) Object.assign(this.#earlyProfile, profile);
    else if (Object.keys(profile).length > 0)
      await this.#client.setProfile(profile).catch(() => {});
  }

  async end() {
    await this.#client?.closeConversation();
    if (this.status === "open") this.#tell("closed");
    this.status = "closed";
    this.#changed();
  }

  /** @param {number} score @param {string} [comment] */
  async rate(score, comment) {
    await this.#client?.rate(score, comment);
  }

  /** @param {Message} message */
  #say(message) {
    this.#place(message);
    if (message.sender === "user") {
      // Who writes after the end goes on.
      if (this.loaded) this.status = "open";
    } else {
      this.typing.delete(message.author?.name ?? "");
    }
    this.#look();
    this.#changed();
  }

  /** Puts a message where it was said: history may bring one late. @param {Message} message */
  #place({ id, clientMessageId, text, sender, author, timestamp, cursor }) {
    const key = clientMessageId ?? id;
    this.#drafts.delete(key);
    if (this.#said.some((line) => line.key === key)) return;
    const before = this.#said.findLastIndex((line) => line.at <= timestamp);
    this.#said.splice(before + 1, 0, {
      key,
      text,
      own: sender === "user",
      name: sender === "user" ? "" : (author?.name ?? ""),
      at: timestamp,
      cursor,
      state: "said",
      error: undefined,
    });
  }

  /** @param {Draft} draft */
  #wait({ clientMessageId: key, text }) {
    const at = new Date().toISOString();
    this.#drafts.set(key, {
      key,
      text,
      own: true,
      name: "",
      at,
      cursor: undefined,
      state: "waiting",
      error: undefined,
    });
  }

  /** @param {string} key */
  #accepted(key) {
    const draft = this.#drafts.get(key);
    if (draft) draft.state = "said";
    this.#tell("sent");
    this.#changed();
  }

  /** @param {Draft} draft @param {ParlorError} error */
  #failed(draft, error) {
    if (!this.#drafts.has(draft.clientMessageId)) this.#wait(draft);
    const line = this.#drafts.get(draft.clientMessageId);
    if (line) Object.assign(line, { state: "failed", error });
    this.#changed();
  }

  /** Finds what the team has read among what is shown. */
  #look() {
    const { readByTeam } = this.#client ?? {};
    if (readByTeam !== undefined) this.#read.add(readByTeam);
    this.#seen = this.#said.findLastIndex(
      ({ cursor, own }) => (cursor !== undefined && this.#read.has(cursor)) || !own,
    );
  }

  /** @param {"sent" | "closed"} name */
  #tell(name) {
    this.dispatchEvent(new Event(name));
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
