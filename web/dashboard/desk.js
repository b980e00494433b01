/** @file What the dashboard knows: the conversations, the chosen view, the counts. */

/**
 * @import {Api} from "./api.js"
 * @import {Counts, Frame, Me, Patch, ProfilePatch, Signal, State} from "./types.js"
 */

import { atMostEach, beforePicture, Events } from "./events.js";
import { apply, belongs, queryOf, statusOf, unknown, whole } from "./state.js";
import { Team } from "./team.js";

const FIRST_PAGE = 50;
/** As many as the server gives at once. */
const NEXT_PAGE = 100;
/** How many conversations that only the stream has named are asked for one by one. */
const MAX_ASKED = 20;
const COUNTS_MS = 2_000;
/** A snooze that ends is noticed this late at most. */
const TICK_MS = 20_000;

/**
 * @typedef {object} Page how far a view was loaded
 * @property {string | undefined} next
 * @property {boolean} more
 * @property {boolean} loading
 * @property {boolean} loaded at least one page came
 * @property {boolean} failed
 * @property {string} floor the last activity of the last row of the last page
 */

/**
 * The states come from three sources: pages of the inbox, answers to changes, and the stream. A
 * page or an answer that was on its way while the stream told of a conversation is not taken for
 * it; the server is asked again.
 *
 * @extends {Events<{list: void, states: Set<string>, counts: Counts | undefined, frame: Frame,
 *   signal: Signal, failed: unknown}>}
 */
export class Desk extends Events {
  /** @type {Map<string, State>} */
  #states = new Map();
  /** @type {Map<string, Page>} */
  #pages = new Map();
  /** How often the stream has told of a conversation. @type {Map<string, number>} */
  #told = new Map();
  /** @type {Set<string>} */
  #changed = new Set();
  /** @type {Set<string>} */
  #asking = new Set();
  /**
   * Cursors of the visitor's last live message and of what came after it.
   *
   * @type {Map<string, Set<string>>}
   */
  #since = new Map();
  /** @type {string[] | undefined} */
  #ids;
  /** @type {Set<string> | undefined} */
  #idSet;
  #started = false;
  /** The view that is shown. */
  view = "open";
  /** @type {Counts | undefined} */
  counts;

  #publish = beforePicture(() => {
    const changed = this.#changed;
    this.#changed = new Set();
    this.tell("states", changed);
    this.tell("list", undefined);
  });

  #askCounts = atMostEach(COUNTS_MS, () => void this.loadCounts());

  /**
   * @param {Api} api
   * @param {Me} me
   * @param {() => number} [now]
   */
  constructor(api, me, now = Date.now) {
    super();
    this.api = api;
    this.me = me;
    this.now = now;
    this.team = new Team(api, me);
    this.team.on("changed", () => this.#publish());
    api.on("frame", (frame) => this.#receive(frame));
    api.on("signal", (signal) => this.tell("signal", signal));
    setInterval(() => this.#tick(), TICK_MS);
  }

  /** @param {string} id */
  state(id) {
    return this.#states.get(id);
  }

  /** The page of the shown view. */
  get page() {
    return this.#page(this.view);
  }

  /** The ids of the shown view, last active first. @returns {readonly string[]} */
  get ids() {
    this.#ids ??= this.#sorted();
    return this.#ids;
  }

  /** Whether a conversation is in the shown view. @param {string} id */
  has(id) {
    this.#idSet ??= new Set(this.ids);
    return this.#idSet.has(id);
  }

  /** The teams, labels and agents that were seen, or are on the team's desk, sorted. */
  get marks() {
    const teams = new Set(this.team.names("team"));
    const labels = new Set(this.team.names("label"));
    const agents = new Set([...this.api.agents, ...this.team.agents]);
    for (const { team, labels: each, assignee } of this.#states.values()) {
      if (team) teams.add(team);
      for (const label of each) labels.add(label);
      if (assignee) agents.add(assignee);
    }
    const sort = (/** @type {Set<string>} */ set) => [...set].sort((a, b) => a.localeCompare(b));
    return { teams: sort(teams), labels: sort(labels), agents: sort(agents) };
  }

  /** How many conversations are unread, open and this agent's or nobody's, as far as is known. */
  get unread() {
    let count = 0;
    for (const state of this.#states.values()) {
      const ours = state.assignee === null || state.assignee === this.me.id;
      if (state.unread && ours && statusOf(state, this.now()) === "open") count += 1;
    }
    return count;
  }

  // === lists ===

  /**
   * Loads the shown view, and from now on whichever is shown. A list that is loaded once the stream
   * is live misses nothing between the two.
   */
  start() {
    if (this.#started) return;
    this.#started = true;
    this.show(this.view);
    void this.loadCounts();
  }

  /** @param {string} view */
  show(view) {
    this.view = view;
    this.#ids = this.#idSet = undefined;
    this.tell("list", undefined);
    if (this.#started && !this.page.loaded && !this.page.loading) void this.more();
  }

  /** Loads the next page of the shown view. */
  async more() {
    const { view } = this;
    const page = this.#page(view);
    if (page.loading || !page.more) return;
    page.loading = true;
    page.failed = false;
    this.tell("list", undefined);
    const told = new Map(this.#told);
    try {
      const limit = page.loaded ? NEXT_PAGE : FIRST_PAGE;
      const query = { ...queryOf(view), after: page.next, limit };
      const { conversations, next, hasMore } = await this.api.inbox(query);
      for (const raw of conversations) this.#take(raw, told.get(raw.id) ?? 0);
      page.next = next ?? undefined;
      page.more = hasMore && next !== undefined && next !== null;
      page.floor = page.more ? (conversations.at(-1)?.lastActivity ?? page.floor) : "";
      page.loaded = true;
    } catch (thrown) {
      page.failed = true;
      this.tell("failed", thrown);
    }
    page.loading = false;
    this.#refresh();
  }

  /** Loads the lists anew, after a time in which something may have been missed. */
  reload() {
    if (!this.#started) return;
    this.#pages.clear();
    void this.more();
    void this.loadCounts();
  }

  async loadCounts() {
    try {
      this.counts = await this.api.counts();
    } catch {
      // An older server has none, and the views then show no numbers.
    }
    this.tell("counts", this.counts);
  }

  // === what is changed ===

  /**
   * Asks for a change. It is shown at once, unless it is conditional: only the server knows then.
   *
   * @param {string} id
   * @param {Patch} patch
   */
  async update(id, patch) {
    const told = this.#told.get(id) ?? 0;
    const state = this.#states.get(id);
    if (state && !("ifAssignee" in patch)) {
      const change = { ...patch, id: "", timestamp: "", cursor: "" };
      this.#put(apply(state, { type: "change", conversationId: id, change }, this.me.id));
    }
    try {
      const { conversation } = await this.api.update(id, patch);
      this.#take(conversation, told);
      this.#askCounts();
    } catch (thrown) {
      // What was shown too early is put right by what the server has.
      if (state) this.#put(state);
      void this.ask(id);
      throw thrown;
    }
  }

  /** @param {string} id @param {ProfilePatch} patch */
  async profile(id, patch) {
    const told = this.#told.get(id) ?? 0;
    const { conversation } = await this.api.profile(id, patch);
    this.#take(conversation, told);
  }

  /** @param {string} id @param {string} cursor */
  markRead(id, cursor) {
    const state = this.#states.get(id);
    if (state && (state.unread || state.unreadByMe)) {
      this.#put({ ...state, unread: false, unreadByMe: false });
    }
    this.api.mark(id, cursor);
    this.#askCounts();
  }

  /** Asks the server for one conversation. @param {string} id */
  async ask(id) {
    if (this.#asking.has(id)) return;
    this.#asking.add(id);
    const told = this.#told.get(id) ?? 0;
    try {
      const { conversation } = await this.api.conversation(id);
      this.#asking.delete(id);
      this.#take(conversation, told);
    } catch {
      // An older server has no such route, and what the stream tells is what is known then.
      this.#asking.delete(id);
    }
  }

  // === the stream ===

  /** @param {Frame} frame */
  #receive(frame) {
    const id = frame.conversationId;
    if (id !== undefined && frame.type !== "linked" && frame.type !== "note") {
      this.#told.set(id, (this.#told.get(id) ?? 0) + 1);
      const before = this.#states.get(id);
      let state = apply(before ?? unknown(id), frame, this.me.id);
      if (frame.type === "message")
        this.#follow(id, frame.message.cursor, frame.message.sender === "user");
      if (frame.type === "read" && frame.read.by === "agent") {
        const since = this.#since.get(id);
        const known = since === undefined || since.has(frame.read.upTo);
        const mine = frame.read.id === this.me.id;
        if (known) state = { ...state, unread: false, unreadByMe: !mine && state.unreadByMe };
      }
      this.#put(state);
      if (!before && this.#asking.size < MAX_ASKED) void this.ask(id);
      if (frame.type !== "profile") this.#askCounts();
    }
    this.tell("frame", frame);
  }

  /** @param {string} id @param {string} cursor @param {boolean} visitor */
  #follow(id, cursor, visitor) {
    if (visitor) this.#since.set(id, new Set([cursor]));
    else this.#since.get(id)?.add(cursor);
  }

  /** @param {Partial<State> & {id: string}} raw @param {number} told when it was asked for */
  #take(raw, told) {
    if ((this.#told.get(raw.id) ?? 0) === told || !this.#states.has(raw.id)) this.#put(whole(raw));
    else void this.ask(raw.id);
  }

  /** @param {State} state */
  #put(state) {
    this.#states.set(state.id, state);
    this.#changed.add(state.id);
    this.#refresh();
  }

  #refresh() {
    this.#ids = this.#idSet = undefined;
    this.#publish();
  }

  #tick() {
    const now = this.now();
    for (const state of this.#states.values()) {
      if (state.status === "snoozed" && statusOf(state, now) === "open") {
        this.#put({ ...state, status: "open", until: undefined });
      }
    }
  }

  /** @param {string} view */
  #page(view) {
    let page = this.#pages.get(view);
    if (!page) {
      page = {
        next: undefined,
        more: true,
        loading: false,
        loaded: false,
        failed: false,
        floor: "",
      };
      this.#pages.set(view, page);
    }
    return page;
  }

  #sorted() {
    const now = this.now();
    const { floor } = this.page;
    const rows = [];
    for (const state of this.#states.values()) {
      // What lies below the last page is not known without holes, and waits for its page.
      if ((state.lastActivity ?? "") < floor) continue;
      if (belongs(this.view, state, this.me.id, now)) rows.push(state);
    }
    rows.sort((a, b) => {
      const [one, other] = [a.lastActivity ?? "", b.lastActivity ?? ""];
      return one < other ? 1 : one > other ? -1 : a.id < b.id ? -1 : 1;
    });
    return rows.map(({ id }) => id);
  }
}
