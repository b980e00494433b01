/** @file The conversations this client follows, and how their pages of history are loaded. */

/** @import {HistoryPage, TimelineItem} from "./parlor.js" */
/** @import {Page, Rest} from "./rest.js" */

import { Backoff } from "./backoff.js";
import { ParlorError } from "./errors.js";
import { isMessage } from "./items.js";
import { Timeline, firstCursor } from "./timeline.js";

/**
 * How far back a gap is filled, in pages; whoever missed more has a hole between what was shown and
 * what is.
 */
const MAX_PAGES = 20;

/**
 * What a client shows: of a visitor the one conversation, kept under `undefined`; of an agent those
 * that were opened, and under `undefined` whatever the stream brings of others, which has no
 * history to load.
 */
export class Timelines {
  #rest;
  #agent;
  #events;
  /** @type {Map<string | undefined, Timeline>} */
  #byConversation = new Map();

  /**
   * @param {Rest} rest
   * @param {boolean} agent
   * @param {{show: (items: TimelineItem[], source: "history" | "stream") => void, found: (item:
   *   TimelineItem) => void}} events what is to be shown; and, before it is, every item that
   *   history or stream holds
   */
  constructor(rest, agent, events) {
    this.#rest = rest;
    this.#agent = agent;
    this.#events = events;
    const first = new Timeline({ keep: !agent });
    first.stale = !agent;
    this.#byConversation.set(undefined, first);
  }

  /** @param {string} conversationId */
  async open(conversationId) {
    if (!this.#byConversation.has(conversationId)) {
      this.#byConversation.set(conversationId, new Timeline());
    }
    await this.#load(conversationId);
  }

  /** @param {string} conversationId */
  leave(conversationId) {
    const timeline = this.#byConversation.get(conversationId);
    this.#byConversation.delete(conversationId);
    // Its page may still be on its way, and is not shown any more. What waits for it is shown now.
    if (timeline) this.#events.show(timeline.giveUp(), "stream");
  }

  /** @param {TimelineItem} item of the stream */
  receive(item) {
    this.#events.found(item);
    // One that is about several conversations has a place in each of them, and is shown once.
    const about = item.type === "linked" ? item.conversationIds : [item.conversationId];
    const followed = about.flatMap((id) => (this.#agent && this.#byConversation.get(id)) || []);
    if (followed.length === 0) followed.push(this.#get(undefined));
    const [shown] = followed.map((timeline) => timeline.live(item));
    this.#events.show(shown ?? [], "stream");
  }

  /** What was shown of a conversation, in order. @param {string | undefined} conversationId */
  items(conversationId) {
    return this.#byConversation.get(conversationId)?.items ?? [];
  }

  /** @param {string | undefined} conversationId @param {string} cursor */
  place(conversationId, cursor) {
    return this.#byConversation.get(conversationId)?.place(cursor) ?? -1;
  }

  /**
   * Loads the visitor's newest page unless it is there.
   *
   * @returns {Promise<string | undefined>} the position of its snapshot, if it was loaded
   */
  async start() {
    const { stale, loading } = this.#get(undefined);
    return stale || loading ? this.#load(undefined) : undefined;
  }

  /**
   * Something may be missing in everything that has a history; the stream's messages wait until
   * `mend`.
   */
  doubt() {
    for (const [conversationId, timeline] of this.#byConversation) {
      if (this.#agent && conversationId === undefined) continue;
      timeline.doubt();
    }
  }

  /**
   * Loads what is in doubt, until it is there or `going` says that the connection is gone; the next
   * one does it then.
   *
   * @param {() => boolean} going
   */
  mend(going) {
    for (const [conversationId, { stale }] of this.#byConversation) {
      if (stale) void this.#mend(conversationId, going);
    }
  }

  /** @param {string | undefined} conversationId */
  hasOlder(conversationId) {
    return this.#byConversation.get(conversationId)?.hasMore ?? false;
  }

  /**
   * @param {string | undefined} conversationId
   * @returns {Promise<HistoryPage & {items: TimelineItem[]}>}
   */
  async older(conversationId) {
    const timeline = this.#byConversation.get(conversationId);
    const page = await this.#rest.page(conversationId, { before: timeline?.first });
    const hasMore = page.hasMore || page.incomplete === true;
    if (!timeline) return page;
    const items = timeline.prepend(page.items, hasMore);
    return { ...page, items, messages: items.filter(isMessage) };
  }

  /** @param {string | undefined} conversationId one that is there */
  #get(conversationId) {
    const timeline = this.#byConversation.get(conversationId);
    if (!timeline) throw new Error("no such timeline");
    return timeline;
  }

  /**
   * @param {string | undefined} conversationId
   * @returns {Promise<string | undefined>}
   */
  #load(conversationId) {
    const timeline = this.#get(conversationId);
    timeline.loading ??= this.#loadOnce(timeline, conversationId).finally(
      () => (timeline.loading = undefined),
    );
    return timeline.loading;
  }

  /**
   * @param {Timeline} timeline
   * @param {string | undefined} conversationId
   */
  async #loadOnce(timeline, conversationId) {
    try {
      for (;;) {
        timeline.hold();
        timeline.stale = false;
        const { items, hasMore, cursor } = await this.#pages(timeline, conversationId);
        // Nothing is shown of a conversation that was left meanwhile. Opening it again loads the
        // page again.
        if (this.#byConversation.get(conversationId) !== timeline) return cursor;
        // A gap came while this was on its way: the page may be older than the gap, and is loaded
        // once more.
        if (timeline.stale) continue;
        for (const item of items) this.#events.found(item);
        this.#events.show(timeline.release(items, hasMore), "history");
        return cursor;
      }
    } catch (thrown) {
      // New messages are shown although history cannot be loaded.
      this.#events.show(timeline.giveUp(), "stream");
      throw thrown;
    }
  }

  /**
   * The newest page and, after a gap, the pages before it down to what was shown.
   *
   * @param {Timeline} timeline
   * @param {string | undefined} conversationId
   * @returns {Promise<Pick<Page, "items" | "hasMore" | "cursor">>}
   */
  async #pages(timeline, conversationId) {
    const newest = await this.#rest.page(conversationId);
    let { items, hasMore } = newest;
    const reached = () => timeline.empty || !hasMore || items.some(({ id }) => timeline.has(id));
    for (let pages = 1; pages < MAX_PAGES && !reached(); pages += 1) {
      const before = firstCursor(items);
      if (before === undefined) {
        const problem = "What was missed cannot be reached just now.";
        throw new ParlorError(problem, { code: "incomplete", retryable: true });
      }
      const page = await this.#rest.page(conversationId, { before, limit: 100 });
      items = [...page.items, ...items];
      hasMore = page.hasMore;
    }
    return { ...newest, items, hasMore: hasMore || newest.incomplete === true };
  }

  /**
   * @param {string | undefined} conversationId
   * @param {() => boolean} going
   */
  async #mend(conversationId, going) {
    const backoff = new Backoff();
    while (this.#byConversation.get(conversationId)?.stale && going()) {
      try {
        await this.#load(conversationId);
      } catch (thrown) {
        const error = ParlorError.wrap(thrown);
        if (!error.retryable) return;
        await new Promise((resolve) => setTimeout(resolve, error.retryAfterMs ?? backoff.next()));
      }
    }
  }
}
