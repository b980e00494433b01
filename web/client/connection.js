/** @file The connection: comes online, stays online, comes back; by asking, where it must. */

/** @import {ClientState, Draft, Receipt, StateDetail, StreamItem} from "./parlor.js" */
/** @import {Identity} from "./identity.js" */
/** @import {Frame, LinkEnd} from "./link.js" */
/** @import {Rest} from "./rest.js" */
/** @import {Sender} from "./sender.js" */
/** @import {ServerClock} from "./clock.js" */
/** @import {Timelines} from "./timelines.js" */
/** @import {WakeReason} from "./wake.js" */

import { Backoff, CEILING_MS } from "./backoff.js";
import { ParlorError } from "./errors.js";
import { Link } from "./link.js";
import { Poller } from "./poller.js";
import { askAgent, askVisitor } from "./polling.js";
import { Wake } from "./wake.js";

/** How long a link under suspicion may take to answer. */
const PROBE_MS = 5_000;
/** So many upgrades in a row have to fail before the client asks instead of listening. */
const BLOCKED_AFTER = 3;
/** While asking works, a socket is tried again after so long, and up to twice as long. */
const RETRY_SOCKET_MS = 30_000;

/**
 * @typedef {{identity: Identity, rest: Rest, clock: ServerClock, sender: Sender, timelines:
 *   Timelines, post: (draft: Draft) => Promise<Receipt>, client: string, timeoutMs: number}} Parts
 *
 * @typedef {object} ConnectionEvents
 * @property {(detail: StateDetail) => void} state
 * @property {() => void} entered it is known who this is
 * @property {() => void} began the first page is there, and `online` follows
 * @property {() => void} gap
 * @property {(item: StreamItem) => void} item
 * @property {(frame: Frame) => void} signal
 */

/**
 * The states and what leads from one to the next; `ClientState` says what each means. From
 * `closed`, `start()` starts again.
 *
 *     idle ──start──► connecting ──subscribed──► online
 *                        ▲      │                    │
 *                        │      ├──────lost──────────┤
 *                  time, wake   ▼                    ▼
 *                        └── waiting              closed   (refused for good, or close())
 *
 * Where sockets are blocked, it is `online` while the server answers what is asked.
 */
export class Connection {
  /** @type {ClientState} */
  state = "idle";
  /** Online without a socket. */
  polling = false;
  /** The inbox was read before there was a position. */
  readEarly = false;
  /**
   * The position in the stream. Only what the stream brings moves it.
   *
   * @type {string | undefined}
   */
  cursor;

  #parts;
  #events;
  #backoff = new Backoff();
  #poller;
  /** @type {Link | undefined} */
  #link;
  /** Upgrades that failed in a row. */
  #blocked = 0;
  /** @type {AbortController | undefined} */
  #running;
  /**
   * Ends the wait before the next try, unless the server named its length.
   *
   * @type {(() => void) | undefined}
   */
  #nudge;

  /**
   * @param {Parts} parts
   * @param {ConnectionEvents} events
   */
  constructor(parts, events) {
    this.#parts = parts;
    this.#events = events;
    const ask = parts.identity.agent ? askAgent : askVisitor;
    this.#poller = new Poller(ask(parts.rest, parts.timelines, this, events), {
      works: () => {
        this.#events.began();
        this.#enter("online", { polling: true });
        parts.sender.start(parts.post);
      },
      // After a refusal for good, sockets tell what is to be done.
      failed: (error, retryInMs) => {
        if (this.polling) this.#enter("waiting", { error, retryInMs });
      },
    });
  }

  start() {
    if (this.#running) return;
    this.#running = new AbortController();
    void this.#run(this.#running);
  }

  stop() {
    this.#end();
    this.#enter("closed");
  }

  /** Whether there is a socket that takes it. @param {Frame} frame */
  signal(frame) {
    return this.#link?.signal(frame) ?? false;
  }

  /** Asks at once, where it asks at all. */
  hurry() {
    this.#poller.now();
  }

  /** @param {AbortController} running */
  async #run(running) {
    const wake = new Wake((reason) => this.#wake(reason));
    running.signal.addEventListener("abort", () => wake.stop());
    while (!running.signal.aborted) {
      if (!this.#poller.works) this.#enter("connecting");
      const began = performance.now();
      const { error, retryInMs } = await this.#attempt(running.signal).then(
        (end) => this.#judge(end, performance.now() - began),
        (thrown) => this.#failure(ParlorError.wrap(thrown)),
      );
      if (running.signal.aborted) return;
      if (retryInMs === undefined) {
        this.#end();
        this.#enter("closed", { error });
        return;
      }
      let pauseMs = retryInMs;
      if (this.#blocked >= BLOCKED_AFTER) this.#poller.start();
      if (this.#poller.works) pauseMs = Math.max(pauseMs, RETRY_SOCKET_MS * (1 + Math.random()));
      else this.#enter("waiting", { error, retryInMs });
      await this.#pause(pauseMs, running.signal, error?.retryAfterMs === undefined);
    }
  }

  /**
   * One connection from its first request to its end.
   *
   * @param {AbortSignal} signal
   * @returns {Promise<LinkEnd>} how the socket ended; a request that failed is thrown
   */
  async #attempt(signal) {
    const { identity, rest, clock, sender, client, timeoutMs, post } = this.#parts;
    const { url, token } = await identity.enter(rest, clock);
    signal.throwIfAborted();
    this.#events.entered();
    if (identity.agent) sender.start(post);
    const events = {
      item: this.#events.item,
      signal: this.#events.signal,
      position: (/** @type {string} */ cursor) => (this.cursor = cursor),
    };
    const { link, hello } = Link.open(url, { token, client }, events, timeoutMs);
    const drop = () => link.drop("closed by the client");
    signal.addEventListener("abort", drop);
    try {
      const [{ serverTime }] = await Promise.all([hello, this.#loadFirst()]);
      clock.hear(serverTime);
      this.#link = link;
      this.#poller.stop();
      await this.#subscribe(link);
      this.#events.began();
      this.#enter("online");
      sender.start(identity.agent ? post : (draft) => link.deliver(draft));
      await link.ended;
    } catch (thrown) {
      // A close code tells more than the answer that did not come.
      if (ParlorError.wrap(thrown).code !== "disconnected") throw thrown;
    } finally {
      if (!link.hello) identity.doubt();
      if (!identity.agent && !this.#poller.works) sender.stop();
      this.#link = undefined;
      signal.removeEventListener("abort", drop);
      drop();
    }
    const end = await link.ended;
    // A code of the server's own shows that its frames come through.
    this.#blocked = link.hello || end.code >= 4000 ? 0 : this.#blocked + 1;
    return end;
  }

  /**
   * The visitor's newest page comes before the first subscription, which goes on from its snapshot.
   */
  async #loadFirst() {
    const cursor = await this.#parts.timelines.start();
    this.cursor ??= cursor;
  }

  /**
   * Subscribes from the client's position. On a link that is open already, this finds out whether
   * the link still works.
   *
   * @param {Link} link
   * @param {number} [timeoutMs]
   */
  async #subscribe(link, timeoutMs) {
    const since = this.cursor;
    const { recovered } = await link.subscribe(since, timeoutMs);
    this.resume(since === undefined, recovered);
    this.#parts.timelines.mend(() => this.#link === link);
  }

  /**
   * What follows from how the stream goes on.
   *
   * @param {boolean} begins without a position the subscription begins now: what was read earlier
   *   lacks what was said in between
   * @param {boolean} recovered
   */
  resume(begins, recovered) {
    if (begins || !recovered) this.#parts.timelines.doubt();
    if ((begins && this.readEarly) || !recovered) this.#events.gap();
    this.readEarly = false;
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
      this.#poller.now();
      this.#nudge();
    } else if (link && this.state === "online" && !link.subscribing) {
      const silence = performance.now() - link.heardAt;
      if (reason === "visible" && silence < (link.hello?.pingIntervalMs ?? 0)) return;
      // Without an answer the link drops itself, and `#run` sees its end. One that refuses to go on
      // is dropped as well: nobody knows what it would still tell.
      this.#subscribe(link, PROBE_MS).catch(() => link.drop("the subscription was refused"));
    }
  }

  #end() {
    this.#running?.abort();
    this.#running = undefined;
    this.#poller.stop();
    this.#parts.sender.stop();
  }

  /**
   * @param {ClientState} state
   * @param {Pick<StateDetail, "error" | "retryInMs" | "polling">} [why]
   */
  #enter(state, why = {}) {
    const previous = this.state;
    const polling = why.polling === true;
    if (state === previous && polling === this.polling) return;
    this.state = state;
    this.polling = polling;
    this.#events.state({ state, previous, ...why });
  }
}
