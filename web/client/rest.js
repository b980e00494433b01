/** @file The REST side of protocol 1: sessions, pages of history, the inbox, writing. */

/**
 * @import {ChangesPage, Conversation, Draft, HistoryPage, InboxPage, InboxQuery, Message,
 *   PageQuery, Receipt, TimelineItem} from "./parlor.js"
 */
/** @import {Identity} from "./identity.js" */

import { ParlorError } from "./errors.js";
import { isKept, isMessage, itemOf } from "./items.js";

/**
 * @typedef {object} Session
 * @property {string} sessionId
 * @property {string} conversationId
 * @property {string} [cursor]
 * @property {string} [socketUrl]
 * @property {string} [serverTime]
 * @property {string} [token] the visitor token, if one was asked for
 * @property {"open" | "closed"} [status]
 * @property {string} [read] the cursor up to which the team has read
 */

/**
 * A page of one conversation, of whatever its reader may see.
 *
 * @typedef {HistoryPage & {items: TimelineItem[]}} Page
 */

/** Calls the server; every failure is a `ParlorError`. */
export class Rest {
  #base;
  #tenantId;
  #identity;
  #timeoutMs;
  /** The server has no timelines. */
  #messagesOnly = false;

  /**
   * @param {URL} base
   * @param {string} tenantId
   * @param {Identity} identity
   * @param {number} timeoutMs
   */
  constructor(base, tenantId, identity, timeoutMs) {
    this.#base = base;
    this.#tenantId = tenantId;
    this.#identity = identity;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Makes this visitor known, or finds out who it is.
   *
   * @param {{bearer: string | undefined, identity?: string}} [byToken] asks for a visitor token
   *   instead of a cookie, and shows this, and the JWT that proves who it is
   * @returns {Promise<Session>}
   */
  async session(byToken) {
    const { identity } = byToken ?? {};
    const body = { tenantId: this.#tenantId, credential: byToken && "token", identity };
    const bearer = byToken ? byToken.bearer : this.#identity.bearer;
    // A 401 does not renew the credential here: this request decides about a visitor's credential.
    const session = await this.#once("POST", "/api/chat/session", { body }, bearer);
    return /** @type {Session} */ (session);
  }

  /**
   * A page of the visitor's own conversation, or of one the agent names; oldest first.
   *
   * @param {string | undefined} conversationId
   * @param {PageQuery} [query]
   * @returns {Promise<Page>}
   */
  async page(conversationId, query = {}) {
    if (conversationId !== undefined && !this.#messagesOnly) {
      try {
        return await this.#page(conversationPath(conversationId, "timeline"), query);
      } catch (thrown) {
        // Either there is no such conversation, or the server is older than timelines.
        if (ParlorError.wrap(thrown).status !== 404) throw thrown;
      }
    }
    const page = await this.#page(messagesPath(conversationId), query);
    this.#messagesOnly ||= conversationId !== undefined;
    return page;
  }

  /**
   * @param {string} path
   * @param {PageQuery} query
   * @returns {Promise<Page>}
   */
  async #page(path, query) {
    const { events, ...page } = /** @type {Partial<HistoryPage> & {events?: unknown[]}} */ (
      await this.call("GET", path, { query })
    );
    const said = page.messages ?? [];
    const items = /** @type {TimelineItem[]} */ (
      events?.map(itemOf).filter((item) => item && isKept(item)) ??
        said.map((message) => ({ ...message, type: "message" }))
    );
    return { ...page, items, messages: items.filter(isMessage), hasMore: page.hasMore ?? false };
  }

  /**
   * @param {InboxQuery} query
   * @returns {Promise<InboxPage>}
   */
  async inbox(query) {
    const page = /** @type {Partial<InboxPage>} */ (
      await this.call("GET", "/api/agent/conversations", { query })
    );
    return { ...page, conversations: page.conversations ?? [], hasMore: page.hasMore ?? false };
  }

  /**
   * @param {string | undefined} since
   * @param {number} [limit]
   * @returns {Promise<ChangesPage>}
   */
  async changes(since, limit) {
    const page = /** @type {Partial<ChangesPage>} */ (
      await this.call("GET", "/api/agent/changes", { query: { since, limit } })
    );
    const { changes = [], hasMore = false, recovered = true } = page;
    return { ...page, changes, hasMore, recovered };
  }

  /**
   * Writes; a repeat of the same draft is answered with the first message.
   *
   * @param {Draft} draft
   * @returns {Promise<Receipt>}
   */
  async post({ clientMessageId, conversationId, text }) {
    const answer = await this.call("POST", messagesPath(conversationId), {
      body: { text, clientMessageId },
    });
    const { message, duplicate = false } = /** @type {{message: Message, duplicate?: boolean}} */ (
      answer
    );
    return { clientMessageId, id: message.id, timestamp: message.timestamp, duplicate };
  }

  /**
   * @param {string} method
   * @param {string} path absolute, below the base
   * @param {{query?: object, body?: object}} [content]
   * @returns {Promise<unknown>}
   */
  async call(method, path, content = {}) {
    try {
      return await this.#once(method, path, content, this.#identity.bearer);
    } catch (thrown) {
      const error = ParlorError.wrap(thrown);
      if (error.status !== 401 || !(await this.#identity.renew(error, this))) throw error;
      return this.#once(method, path, content, this.#identity.bearer);
    }
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {{query?: object, body?: object}} content
   * @param {string | undefined} bearer
   */
  async #once(method, path, { query = {}, body }, bearer) {
    const url = new URL(path.slice(1), this.#base);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const headers = new Headers({ "X-Tenant-ID": this.#tenantId });
    if (bearer !== undefined) headers.set("Authorization", `Bearer ${bearer}`);
    if (body) headers.set("Content-Type", "application/json");
    try {
      const response = await fetch(url, {
        method,
        headers,
        body: body ? JSON.stringify(body) : null,
        credentials: this.#identity.credentials,
        cache: "no-store",
        signal: AbortSignal.timeout(this.#timeoutMs),
      });
      return await read(response);
    } catch (thrown) {
      throw ParlorError.wrap(thrown);
    }
  }
}

/** @param {Response} response */
async function read(response) {
  const text = await response.text();
  /** @type {unknown} */
  let body;
  try {
    body = JSON.parse(text);
  } catch {
    // It may be an error page of a balancer. A success without JSON is handled below.
  }
  const object = typeof body === "object" && body !== null ? body : undefined;
  if (response.ok && object) return object;
  if (response.ok) {
    throw new ParlorError("The answer is not JSON.", {
      code: "bad_answer",
      status: response.status,
      retryable: true,
    });
  }
  const seconds = Number(response.headers.get("Retry-After") ?? NaN);
  const error = object && "error" in object ? object.error : undefined;
  throw ParlorError.from(
    error,
    response.status,
    Number.isFinite(seconds) ? seconds * 1000 : undefined,
    object && "conversation" in object
      ? /** @type {Conversation} */ (object.conversation)
      : undefined,
  );
}

/** @param {string | undefined} conversationId */
function messagesPath(conversationId) {
  return conversationId === undefined
    ? "/api/chat/messages"
    : conversationPath(conversationId, "messages");
}

/**
 * @param {string} conversationId
 * @param {string} [part]
 */
export function conversationPath(conversationId, part) {
  const path = `/api/agent/conversations/${encodeURIComponent(conversationId)}`;
  return part === undefined ? path : `${path}/${part}`;
}
