/** @file What visitors' and agents' clients have in common: messages, history, drafts, events. */

/**
 * @import {Draft, HistoryPage, InboxPage, InboxQuery, ParlorEventMap, ParlorOptions, Receipt,
 *   StreamItem, TimelineItem} from "./parlor.js"
 */
/** @import {Identity} from "./identity.js" */
/** @import {Frame} from "./link.js" */

import { CEILING_MS } from "./backoff.js";
import { ServerClock } from "./clock.js";
import { Connection } from "./connection.js";
import { Drafts } from "./drafts.js";
import { ParlorError } from "./errors.js";
import { AgentIdentity, VisitorIdentity } from "./identity.js";
import { isKept, isMessage } from "./items.js";
import { Rest } from "./rest.js";
import { Sender } from "./sender.js";
import { Timelines } from "./timelines.js";
import { TypingHeard } from "./typing.js";
import { timelessId, uuid7 } from "./uuid7.js";

export class Client extends EventTarget {
  #tenantId;
  /** @type {Storage | undefined} */
  #storage;
  #base;
  #clock = new ServerClock();
  #drafts = new Drafts();
  #sender;
  #timelines;
  #connection;
  #typing = new TypingHeard((typing) => this.emit("typing", typing));
  /** @type {Identity} */
  identity;
  rest;

  /** @param {ParlorOptions} options */
  constructor(options) {
    super();
    const {
      baseUrl = location.origin,
      tenantId,
      token,
      identity,
      client = "web/0.1",
      timeoutMs = CEILING_MS,
    } = options;
    this.#tenantId = tenantId;
    this.#base = new URL(baseUrl);
    if (!this.#base.pathname.endsWith("/")) this.#base.pathname += "/";
    this.#storage =
      options.storage === undefined ? localStorageIfAllowed() : (options.storage ?? undefined);
    this.identity = token
      ? new AgentIdentity(this.#base, tenantId, token, identity)
      : new VisitorIdentity(this.#base, tenantId, { ...options, storage: this.#storage });
    this.rest = new Rest(this.#base, tenantId, this.identity, timeoutMs);
    this.#sender = new Sender(this.#drafts, {
      accepted: (receipt) => this.accepted(receipt),
      failed: (draft, error) => this.emit("failed", { draft: plain(draft), error }),
    });
    this.#timelines = new Timelines(this.rest, this.identity.agent, {
      found: (item) => this.#found(item),
      show: (items, source) => items.forEach((item) => this.#show(item, source)),
    });
    this.#connection = new Connection(
      {
        identity: this.identity,
        rest: this.rest,
        clock: this.#clock,
        sender: this.#sender,
        timelines: this.#timelines,
        post: (draft) => this.#post(draft),
        client,
        timeoutMs,
      },
      {
        state: (detail) => {
          this.emit("state", detail);
          this.stateChanged();
        },
        entered: () => {
          this.#attachDrafts();
          this.entered();
        },
        began: () => this.#tellExpired(),
        gap: () => this.gap(),
        item: (item) => this.receive(item),
        signal: (frame) => this.heard(frame),
      },
    );
    // A visitor's drafts can be shown before there is a connection; an agent's name is in the
    // token.
    if (!token) this.#attachDrafts();
  }

  get state() {
    return this.#connection.state;
  }

  get polling() {
    return this.#connection.polling;
  }

  get conversationId() {
    return this.identity instanceof VisitorIdentity
      ? this.identity.session?.conversationId
      : undefined;
  }

  /** @returns {Draft[]} */
  get drafts() {
    return this.#drafts.all.map(plain);
  }

  connect() {
    this.#connection.start();
  }

  close() {
    this.#connection.stop();
  }

  /**
   * @param {string} text
   * @param {{conversationId?: string | undefined}} [to]
   * @returns {Draft}
   */
  send(text, { conversationId } = {}) {
    if (this.identity.agent && conversationId === undefined) {
      throw new TypeError(
        "An agent's message goes to a conversation: send(text, { conversationId }).",
      );
    }
    const draft = {
      clientMessageId: this.newId(),
      text: whole(text),
      ...(this.identity.agent && { conversationId }),
    };
    this.#drafts.add(draft);
    this.#sender.pump();
    return draft;
  }

  /** @param {string} conversationId */
  open(conversationId) {
    return this.#timelines.open(conversationId);
  }

  /** @param {string} conversationId */
  leave(conversationId) {
    this.#timelines.leave(conversationId);
  }

  /** @param {string} [conversationId] */
  hasOlder(conversationId) {
    return this.#timelines.hasOlder(conversationId);
  }

  /**
   * @param {string} [conversationId]
   * @returns {Promise<HistoryPage>}
   */
  older(conversationId) {
    return this.#timelines.older(conversationId);
  }

  /**
   * @param {string} [conversationId]
   * @returns {TimelineItem[]}
   */
  timeline(conversationId) {
    return this.#timelines.items(conversationId);
  }

  /**
   * @param {InboxQuery} [query]
   * @returns {Promise<InboxPage>}
   */
  inbox(query = {}) {
    this.#connection.readEarly ||= this.#connection.cursor === undefined;
    return this.rest.inbox(query);
  }

  // === for the classes that extend this one ===

  /** For something that is written now. */
  newId() {
    const now = this.#clock.now();
    return now === undefined ? timelessId() : uuid7(now);
  }

  /** @param {string | undefined} conversationId @param {string} cursor */
  place(conversationId, cursor) {
    return this.#timelines.place(conversationId, cursor);
  }

  /** @param {Frame} frame */
  signal(frame) {
    return this.#connection.signal(frame);
  }

  stateChanged() {}

  entered() {}

  gap() {
    this.emit("gap", { conversationId: this.conversationId });
  }

  /** @param {Receipt} receipt */
  accepted(receipt) {
    this.emit("accepted", receipt);
    this.#connection.hurry();
  }

  /** @param {StreamItem} item of the stream */
  receive(item) {
    if (isKept(item)) this.#timelines.receive(/** @type {TimelineItem} */ (item));
    else this.#show(item, "stream");
  }

  /** @param {Frame} frame a signal */
  heard(frame) {
    const detail = /** @type {any} */ (frame);
    if (frame.type === "typing") this.#typing.hear(detail);
    else this.emit(/** @type {keyof ParlorEventMap} */ (frame.type), detail);
  }

  /**
   * @template {keyof ParlorEventMap} K
   * @param {K} type
   * @param {ParlorEventMap[K]} detail
   */
  emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  // === drafts ===

  /**
   * A draft that is found in history or stream was accepted, whoever sent it.
   *
   * @param {TimelineItem} item
   */
  #found(item) {
    if (!isMessage(item) || !item.clientMessageId) return;
    const { clientMessageId, id, timestamp } = item;
    this.#sender.settle({ clientMessageId, id, timestamp, duplicate: true });
  }

  /** @param {Draft} draft */
  async #post(draft) {
    try {
      return await this.rest.post(draft);
    } catch (thrown) {
      const error = ParlorError.wrap(thrown);
      // The draft is not at fault when the token has ended: it waits for the next token.
      if (error.status === 401) {
        throw new ParlorError(error.message, { code: "disconnected", retryable: true });
      }
      throw error;
    }
  }

  #attachDrafts() {
    const scope = [this.#base.href, this.#tenantId, this.identity.scope];
    this.#drafts.attach(this.#storage, scope);
  }

  /**
   * Tells of the drafts that are too old to be sent. This comes after the first page of history: a
   * draft that is found there was accepted, and only its answer was lost.
   */
  #tellExpired() {
    for (const draft of this.#drafts.takeExpired()) {
      const error = new ParlorError("The message waited for more than a day and was not sent.", {
        code: "expired",
      });
      this.emit("failed", { draft: plain(draft), error });
    }
  }

  /** @param {StreamItem} item @param {"history" | "stream"} source */
  #show(item, source) {
    const type = item.type ?? "message";
    this.emit(type, /** @type {any} */ ({ [type]: item, source }));
  }
}

/**
 * The text as it is sent.
 *
 * @param {string} text
 * @throws {ParlorError} `empty`
 */
export function whole(text) {
  // Half a surrogate pair is replaced: the server could not read a frame that contains one.
  const readable = text.replace(/\p{Surrogate}/gu, "\u{fffd}");
  if (readable.trim() === "") throw new ParlorError("The message is empty.", { code: "empty" });
  return readable;
}

/**
 * A draft as it was made, without what the queue keeps beside it.
 *
 * @param {Draft} draft
 * @returns {Draft}
 */
function plain({ clientMessageId, text, conversationId }) {
  return conversationId === undefined
    ? { clientMessageId, text }
    : { clientMessageId, text, conversationId };
}

/** Returns nothing where there is no storage, and where reading `localStorage` throws. */
function localStorageIfAllowed() {
  try {
    return globalThis.localStorage;
  } catch {
    return undefined;
  }
}
