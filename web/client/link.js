/** @file One socket of protocol 1, from its hello to its end. */

/** @import {Draft, Receipt, StreamItem} from "./parlor.js" */

import { ParlorError } from "./errors.js";
import { itemOf } from "./items.js";

/** The subprotocol; without it the server would take this client for the widget. */
const SUBPROTOCOL = "parlor.1";

/**
 * @typedef {{type: "hello", protocol: number, session: string, pingIntervalMs: number,
 *   maxMessageBytes: number, serverTime: string}} Hello
 * @typedef {{type: "subscribed", recovered: boolean, cursor: string, replayed: number}} Subscribed
 * @typedef {Record<string, unknown> & {type: string}} Frame
 */

/** How a link ended: the close code, and what the server's `reconnect` frame named, if it sent one.
 * @typedef {{code: number, reason: string, afterMs?: number | undefined}} LinkEnd */

/**
 * What the owner of a link is told, in the order of the stream: `signal` of frames that are told
 * once and have no place in it.
 *
 * @typedef {{item: (item: StreamItem) => void, position: (cursor: string) => void,
 *   signal: (frame: Frame) => void}} LinkEvents
 */

/**
 * A promise with its handles.
 *
 * @template T
 * @typedef {{resolve: (value: T) => void, reject: (error: ParlorError) => void, timer:
 *   ReturnType<typeof setTimeout> | undefined}} Waiter
 */

/**
 * Opened by `Link.open`, which speaks first and waits for the server's hello. A link ends once,
 * whatever the cause; everything that waits for an answer is then told `disconnected`.
 */
export class Link {
  /** When the last frame came, in milliseconds of the page's monotonic clock. */
  heardAt = performance.now();
  /** Settles when the link is over. @type {Promise<LinkEnd>} */
  ended;

  #socket;
  #events;
  #timeoutMs;
  /** @type {Hello | undefined} */
  #hello;
  /** @type {number | undefined} */
  #afterMs;
  /** @type {Waiter<Hello> | undefined} */
  #greeting;
  /** @type {Waiter<Subscribed> | undefined} */
  #subscribing;
  /** The answer that `#subscribing` waits for. @type {Promise<Subscribed> | undefined} */
  #subscribed;
  /** The one draft in flight. @type {(Waiter<Receipt> & {id: string}) | undefined} */
  #delivering;
  #signals = /** @type {"untried" | "tried" | "refused"} */ ("untried");
  /** @type {(end: LinkEnd) => void} */
  #end = () => {};

  /**
   * @param {WebSocket} socket
   * @param {LinkEvents} events
   * @param {number} timeoutMs
   */
  constructor(socket, events, timeoutMs) {
    this.#socket = socket;
    this.#events = events;
    this.#timeoutMs = timeoutMs;
    this.ended = new Promise((resolve) => (this.#end = resolve));
  }

  /**
   * @param {URL} url
   * @param {{token?: string | undefined, client: string}} greeting
   * @param {LinkEvents} events
   * @param {number} timeoutMs how long the server may take for an answer that it is asked for
   * @returns {{link: Link, hello: Promise<Hello>}} the link at once, so that it can be dropped
   *   while it opens
   */
  static open(url, greeting, events, timeoutMs) {
    const socket = new WebSocket(url, SUBPROTOCOL);
    const link = new Link(socket, events, timeoutMs);
    const hello = link.#wait((waiter) => (link.#greeting = waiter));
    socket.onopen = () => link.#send({ type: "hello", protocol: 1, ...greeting });
    socket.onmessage = ({ data }) => link.#receive(data);
    socket.onclose = ({ code, reason }) => link.#finish(code, reason);
    return { link, hello };
  }

  /** The server's hello; only after `open`'s promise has settled. */
  get hello() {
    return this.#hello;
  }

  /** Whether the answer to a subscription is awaited. */
  get subscribing() {
    return this.#subscribing !== undefined;
  }

  /**
   * Subscribes, or subscribes anew: the server replaces the subscription and sends nothing twice.
   * So this also finds out whether a link that was silent for long is still one, which the browser
   * does not tell. While an answer is awaited, nothing more is sent: that answer tells as much, and
   * its deadline stands.
   *
   * @param {string | undefined} since
   * @param {number} [timeoutMs] for the answer or the next replayed message
   * @returns {Promise<Subscribed>}
   */
  subscribe(since, timeoutMs = this.#timeoutMs) {
    if (this.#subscribing && this.#subscribed) return this.#subscribed;
    this.#subscribed = this.#wait((waiter) => (this.#subscribing = waiter), {
      timeoutMs,
      anyFrame: true,
    });
    this.#send({ type: "subscribe", since });
    return this.#subscribed;
  }

  /**
   * Sends a draft and waits for its answer. A draft that the server never answers ends the link,
   * because nobody can know then what has become of it; it is sent again on the next one.
   *
   * @param {Draft} draft
   * @returns {Promise<Receipt>}
   */
  deliver({ clientMessageId, text }) {
    const frame = { type: "message", clientMessageId, text };
    const bytes = new TextEncoder().encode(JSON.stringify(frame)).length;
    if (this.#hello && bytes > this.#hello.maxMessageBytes) {
      // The server would close the socket because of it, on every new try.
      const most = this.#hello.maxMessageBytes;
      const message = `The message has ${bytes} bytes, and the server takes ${most}.`;
      return Promise.reject(new ParlorError(message, { code: "too_long" }));
    }
    const receipt = this.#wait((/** @type {Waiter<Receipt>} */ waiter) => {
      this.#delivering = Object.assign(waiter, { id: clientMessageId });
    });
    this.#send(frame);
    return receipt;
  }

  /**
   * Sends a frame that nothing answers, and tells whether it did. An older server takes signals for
   * nonsense, and ends a socket that goes on with it: the first refusal ends them on this link.
   *
   * @param {Frame} frame
   */
  signal(frame) {
    const open = this.#hello !== undefined && this.#socket.readyState === WebSocket.OPEN;
    if (!open || this.#signals === "refused") return false;
    this.#signals = "tried";
    this.#send(frame);
    return true;
  }

  /**
   * Ends the link from our side. The socket's own `close` event can take a minute on a dead
   * network, so nobody waits for it.
   *
   * @param {string} reason
   */
  drop(reason) {
    this.#finish(1006, reason);
  }

  /** @param {object} frame */
  #send(frame) {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  /**
   * @template T
   * @param {(waiter: Waiter<T>) => void} keep
   * @param {{timeoutMs?: number, anyFrame?: boolean}} [patience] whether any frame is a sign that
   *   the answer comes: a long replay is an answer that takes its time
   * @returns {Promise<T>}
   */
  #wait(keep, { timeoutMs = this.#timeoutMs, anyFrame = false } = {}) {
    return new Promise((resolve, reject) => {
      const asked = performance.now();
      const expire = () => {
        const silence = performance.now() - (anyFrame ? Math.max(asked, this.heardAt) : asked);
        if (silence < timeoutMs) waiter.timer = setTimeout(expire, timeoutMs - silence);
        else this.drop("no answer in time");
      };
      /** @type {Waiter<T>} */
      const waiter = { timer: setTimeout(expire, timeoutMs), resolve, reject };
      keep(waiter);
    });
  }

  /** @param {unknown} data */
  #receive(data) {
    this.heardAt = performance.now();
    const frame = parse(data);
    switch (frame?.type) {
      case "hello":
        this.#hello = /** @type {Hello} */ (/** @type {unknown} */ (frame));
        settle(this.#greeting)?.resolve(this.#hello);
        break;
      case "subscribed": {
        const subscribed = /** @type {Subscribed} */ (/** @type {unknown} */ (frame));
        this.#events.position(subscribed.cursor);
        settle(this.#subscribing)?.resolve(subscribed);
        this.#subscribing = undefined;
        break;
      }
      case "accepted":
        if (frame.clientMessageId !== this.#delivering?.id) break;
        settle(this.#delivering)?.resolve(/** @type {Receipt} */ (/** @type {unknown} */ (frame)));
        this.#delivering = undefined;
        break;
      case "error":
        this.#refused(frame);
        break;
      case "reconnect":
        this.#leave(frame);
        break;
      case "typing":
      case "visitor":
      case "agents":
      case "here":
        this.#events.signal(frame);
        break;
      default:
        this.#item(frame);
    }
  }

  /** @param {Frame | undefined} frame */
  #item(frame) {
    const item = itemOf(frame);
    if (!item) return;
    this.#events.item(item);
    if (item.cursor) this.#events.position(item.cursor);
  }

  /** @param {Frame} frame */
  #refused(frame) {
    const error = ParlorError.from(frame.error);
    // Only one draft is in flight, so an error that names none is about the last request.
    const named = frame.clientMessageId !== undefined;
    if (!named && this.#subscribing) {
      settle(this.#subscribing)?.reject(error);
      this.#subscribing = undefined;
    } else if (!named && this.#signals === "tried" && error.code === "bad_request") {
      this.#signals = "refused";
    } else if (!named || frame.clientMessageId === this.#delivering?.id) {
      settle(this.#delivering)?.reject(error);
      this.#delivering = undefined;
    }
  }

  /** The server is about to close; what is in flight may still be answered. @param {Frame} frame */
  #leave(frame) {
    const { afterMs, code } = frame;
    if (typeof afterMs !== "number") return;
    this.#afterMs = afterMs;
    const announced = typeof code === "number" ? code : 1006;
    // If the close gets lost, the link ends at the time at which the client should come back.
    setTimeout(
      () => this.#finish(announced, "the announced close did not come"),
      Math.max(afterMs, 1000),
    );
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  #finish(code, reason) {
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    if (this.#socket.readyState !== WebSocket.CLOSED) this.#socket.close();
    for (const waiter of [this.#greeting, this.#subscribing, this.#delivering]) {
      settle(waiter)?.reject(disconnected());
    }
    this.#end({ code, reason, afterMs: this.#afterMs });
  }
}

/** @param {unknown} data @returns {Frame | undefined} */
function parse(data) {
  try {
    const frame = typeof data === "string" ? JSON.parse(data) : undefined;
    return typeof frame?.type === "string" ? frame : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Stops the waiter's timer.
 *
 * @template {Waiter<never> | Waiter<any> | undefined} W
 * @param {W} waiter
 */
function settle(waiter) {
  clearTimeout(waiter?.timer);
  return waiter;
}

function disconnected() {
  return new ParlorError("The connection was lost.", { code: "disconnected", retryable: true });
}
