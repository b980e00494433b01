/**
 * @file The client: comes online, stays online, comes back; what `parlor.js` exports as
 *   `ParlorClient`.
 */

/**
 * @import {ClientState, Draft, HistoryPage, InboxPage, InboxQuery, Message, ParlorEventMap,
 *   ParlorOptions, StateDetail} from "./parlor.js"
 */
/** @import {Identity} from "./identity.js" */
/** @import {LinkEnd} from "./link.js" */
/** @import {WakeReason} from "./wake.js" */

import { Backoff, CEILING_MS } from "./backoff.js";
import { ServerClock } from "./clock.js";
import { Drafts } from "./drafts.js";
import { ParlorError } from "./errors.js";
import { AgentIdentity, VisitorIdentity } from "./identity.js";
import { Link } from "./link.js";
import { Rest } from "./rest.js";
import { Sender } from "./sender.js";
import { Timelines } from "./timelines.js";
import { timelessId, uuid7 } from "./uuid7.js";
import { Wake } from "./wake.js";

/** How long a link under suspicion may take to answer. */
const PROBE_MS = 5_000;

/**
 * The states and what leads from one to the next; `ClientState` says what each means. From
 * `closed`, `connect()` starts again.
 *
 *     idle ──connect──► connecting ──subscribed──► online
 *                        ▲      │                    │
 *                        │      ├──────lost──────────┤
 *                  time, wake   ▼                    ▼
 *                        └── waiting              closed   (refused for good, or close())
 */
export class Client extends EventTarget {
  #options;
  /** @type {Storage | undefined} */
  #storage;
  #base;
  /** @type {Identity} */
  #identity;
  #rest;
  #clock = new ServerClock();
  #drafts = new Drafts();
  #sender;
  #backoff = new Backoff();
  #timelines;
  /**
   * The client's position in the stream. Only what the stream brings moves it.
   *
   * @type {string | undefined}
   */
  #cursor;
  /** The inbox was read before there was a position. */
  #readEarly = false;
  /** @type {ClientState} */
  #state = "idle";
  /** @type {Link | undefined} */
  #link;
  /** @type {AbortController | undefined} */
  #running;
  /**
   * Ends the wait before the next try, unless the server named its length.
   *
   * @type {(() => void) | undefined}
   */
  #nudge;

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
    this.#options = { tenantId, client, timeoutMs };
    this.#base = new URL(baseUrl);
    if (!this.#base.pathname.endsWith("/")) this.#base.pathname += "/";
    this.#storage =
      options.storage === undefined ? localStorageIfAllowed() : (options.storage ?? undefined);
    this.#identity = token
      ? new AgentIdentity(this.#base, tenantId, token, identity)
      : new VisitorIdentity(this.#base, tenantId, { ...options, storage: this.#storage });
    this.#rest = new Rest(this.#base, tenantId, this.#identity, timeoutMs);
    this.#sender = new Sender(this.#drafts, {
      accepted: (receipt) => this.#emit("accepted", receipt),
      failed: (draft, error) => this.#emit("failed", { draft: plain(draft), error }),
    });
    this.#timelines = new Timelines(this.#rest, this.#identity.agent, {
      found: (message) => this.#found(message),
      show: (messages, source) =>
        messages.forEach((message) => this.#emit("message", { message, source })),
    });
    // A visitor's drafts can be shown before there is a connection; an agent's name is in the
    // token.
    if (!token) this.#attachDrafts();
  }

  get state() {
    return this.#state;
  }

  get conversationId() {
    return this.#identity instanceof VisitorIdentity
      ? this.#identity.session?.conversationId
      : undefined;
  }

  /** @returns {Draft[]} */
  get drafts() {
    return this.#drafts.all.map(plain);
  }

  connect() {
    if (this.#running) return;
    this.#running = new AbortController();
    void this.#run(this.#running);
  }

  close() {
    this.#stop();
    this.#enter("closed");
  }

  /**
   * @param {string} text
   * @param {{conversationId?: string | undefined}} [to]
   * @returns {Draft}
   */
  send(text, { conversationId } = {}) {
    if (this.#identity.agent && conversationId === undefined) {
      throw new TypeError(
        "An agent's message goes to a conversation: send(text, { conversationId }).",
      );
    }
    // Half a surrogate pair is replaced: the server could not read a frame that contains one.
    const whole = text.replace(/\p{Surrogate}/gu, "\u{fffd}");
    if (whole.trim() === "") throw new ParlorError("The message is empty.", { code: "empty" });
    const now = this.#clock.now();
    const clientMessageId = now === undefined ? timelessId() : uuid7(now);
    const draft = { clientMessageId, text: whole, ...(this.#identity.agent && { conversationId }) };
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
   * @param {InboxQuery} [query]
   * @returns {Promise<InboxPage>}
   */
  inbox(query = {}) {
    this.#readEarly ||= this.#cursor === undefined;
    return this.#rest.inbox(query);
  }

  // === the connection ===

  /** @param {AbortController} running */
  async #run(running) {
    const wake = new Wake((reason) => this.#wake(reason));
    running.signal.addEventListener("abort", () => wake.stop());
    while (!running.signal.aborted) {
      this.#enter("connecting");
      const began = performance.now();
      const { error, retryInMs } = await this.#attempt(running.signal).then(
        (end) => this.#judge(end, performance.now() - began),
        (thrown) => this.#failure(ParlorError.wrap(thrown)),
      );
      if (running.signal.aborted) return;
      if (retryInMs === undefined) {
        this.#stop();
        this.#enter("closed", { error });
        return;
      }
      this.#enter("waiting", { error, retryInMs });
      await this.#pause(retryInMs, running.signal, error?.retryAfterMs === undefined);
    }
  }

  /**
   * One connection from its first request to its end.
   *
   * @param {AbortSignal} signal
   * @returns {Promise<LinkEnd>} how the socket ended; a request that failed is thrown
   */
  async #attempt(signal) {
    const { url, token } = await this.#identity.enter(this.#rest, this.#clock);
    signal.throwIfAborted();
    this.#attachDrafts();
    if (this.#identity.agent) this.#sender.start((draft) => this.#post(draft));
    const { client, timeoutMs } = this.#options;
    const events = {
      message: (/** @type {Message} */ message) => this.#timelines.receive(message),
      position: (/** @type {string} */ cursor) => (this.#cursor = cursor),
    };
    const { link, hello } = Link.open(url, { token, client }, events, timeoutMs);
    const drop = () => link.drop("closed by the client");
    signal.addEventListener("abort", drop);
    try {
      const [{ serverTime }] = await Promise.all([hello, this.#loadFirst()]);
      this.#clock.hear(serverTime);
      this.#link = link;
      await this.#subscribe(link);
      this.#tellExpired();
      this.#enter("online");
      this.#sender.start(
        this.#identity.agent ? (draft) => this.#post(draft) : (draft) => link.deliver(draft),
      );
      await link.ended;
    } catch (thrown) {
      // A close code tells more than the answer that did not come.
      if (ParlorError.wrap(thrown).code !== "disconnected") throw thrown;
    } finally {
      if (!link.hello) this.#identity.doubt();
      if (!this.#identity.agent) this.#sender.stop();
      this.#link = undefined;
      signal.removeEventListener("abort", drop);
      drop();
    }
    return link.ended;
  }

  /**
   * The visitor's newest page comes before the first subscription, which goes on from its snapshot.
   */
  async #loadFirst() {
    const cursor = await this.#timelines.start();
    this.#cursor ??= cursor;
  }

  /**
   * Subscribes from the client's position. On a link that is open already, this finds out whether
   * the link still works.
   *
   * @param {Link} link
   * @param {number} [timeoutMs]
   */
  async #subscribe(link, timeoutMs) {
    const since = this.#cursor;
    const { recovered } = await link.subscribe(since, timeoutMs);
    // Without a position the subscription begins now: what was read earlier lacks what was said in
    // between.
    const begins = since === undefined;
    if (begins || !recovered) this.#timelines.doubt();
    if ((begins && this.#readEarly) || !recovered) {
      this.#emit("gap", { conversationId: this.conversationId });
    }
    this.#readEarly = false;
    this.#timelines.mend(() => this.#link === link);
  }

  /**
   * What to do after a socket's end. The code's range carries the policy, so that a code of a later
   * server is obeyed.
   *
   * @param {LinkEnd} end
   * @param {number} livedMs
   */
  #judge({ code, reason, afterMs }, livedMs) {
    const final = code >= 4500 && code <= 4999;
    const message = `The connection ended: ${code} ${reason}`.trim();
    const error = new ParlorError(message, {
      code: `closed_${code}`,
      retryable: !final,
      retryAfterMs: afterMs,
    });
    // A link that lasted ends a row of failures; a link that did not last is one more failure.
    const stable = livedMs > CEILING_MS;
    if (stable) this.#backoff.reset();
    if (final) return { error };
    if (code === 4000 && stable && afterMs === undefined) return { error, retryInMs: 0 };
    return { error, retryInMs: afterMs ?? this.#backoff.next() };
  }

  /** @param {ParlorError} error */
  #failure(error) {
    return error.retryable
      ? { error, retryInMs: error.retryAfterMs ?? this.#backoff.next() }
      : { error };
  }

  /**
   * @param {number} ms
   * @param {AbortSignal} signal
   * @param {boolean} ours whether a wake may cut it short; a delay that the server named stands
   */
  async #pause(ms, signal, ours) {
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, ms, undefined);
      const end = () => {
        clearTimeout(timer);
        resolve(undefined);
      };
      signal.addEventListener("abort", end, { once: true });
      if (ours) this.#nudge = end;
    });
    this.#nudge = undefined;
  }

  /** @param {WakeReason} reason */
  #wake(reason) {
    const link = this.#link;
    if (this.#nudge && reason !== "offline") {
      this.#nudge();
    } else if (link && this.#state === "online" && !link.subscribing) {
      const silence = performance.now() - link.heardAt;
      if (reason === "visible" && silence < (link.hello?.pingIntervalMs ?? 0)) return;
      // Without an answer the link drops itself, and `#run` sees its end. One that refuses to go on
      // is dropped as well: nobody knows what it would still tell.
      this.#subscribe(link, PROBE_MS).catch(() => link.drop("the subscription was refused"));
    }
  }

  #stop() {
    this.#running?.abort();
    this.#running = undefined;
    this.#sender.stop();
  }

  // === drafts ===

  /**
   * A draft that is found in history or stream was accepted, whoever sent it.
   *
   * @param {Message} message
   */
  #found({ clientMessageId, id, timestamp }) {
    if (clientMessageId) this.#sender.settle({ clientMessageId, id, timestamp, duplicate: true });
  }

  /** @param {Draft} draft */
  async #post(draft) {
    try {
      return await this.#rest.post(draft);
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
    this.#drafts.attach(this.#storage, [
      this.#base.href,
      this.#options.tenantId,
      this.#identity.scope,
    ]);
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
      this.#emit("failed", { draft: plain(draft), error });
    }
  }

  // === events ===

  /**
   * @param {ClientState} state
   * @param {Pick<StateDetail, "error" | "retryInMs">} [why]
   */
  #enter(state, why = {}) {
    const previous = this.#state;
    if (state === previous) return;
    this.#state = state;
    this.#emit("state", { state, previous, ...why });
  }

  /**
   * @template {keyof ParlorEventMap} K
   * @param {K} type
   * @param {ParlorEventMap[K]} detail
   */
  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
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
