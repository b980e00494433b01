/**
 * @file A server in this process, for a whole client under node: it stands for sockets and `fetch`,
 *   which node has no server of protocol 1 for, and for the time.
 */

/** @import {Message} from "../../client/parlor.js" */
/** @typedef {Record<string, any> & {type: string}} Frame */
/** @typedef {{method: string, path: string, query: URLSearchParams, body: any}} Request */
/** @typedef {{status?: number, body: object}} Answer */

/** Lets everything happen that waits for nothing but its turn. */
export const turns = () => new Promise((resolve) => setImmediate(resolve));

/** The client's end of a socket. */
class FakeSocket {
  static OPEN = 1;
  static CLOSED = 3;
  readyState = 0;
  /** @type {Frame[]} */
  sent = [];
  /** @type {(() => void) | null} */
  onopen = null;
  /** @type {((event: {data: string}) => void) | null} */
  onmessage = null;
  /** @type {((event: {code: number, reason: string}) => void) | null} */
  onclose = null;
  #server;

  /** @param {FakeServer} server */
  constructor(server) {
    this.#server = server;
    server.sockets.push(this);
    queueMicrotask(() => {
      if (server.blocked) return this.end(1006);
      this.readyState = FakeSocket.OPEN;
      this.onopen?.();
    });
  }

  /** @param {string} text */
  send(text) {
    const frame = JSON.parse(text);
    this.sent.push(frame);
    queueMicrotask(() => this.#server.hears(this, frame));
  }

  close() {
    this.readyState = FakeSocket.CLOSED;
  }

  /** @param {number} code */
  end(code) {
    this.close();
    this.onclose?.({ code, reason: "" });
  }

  /** @param {Frame[]} frames */
  tell(...frames) {
    for (const frame of frames) this.onmessage?.({ data: JSON.stringify(frame) });
  }

  /** @param {string} type */
  sentOf(type) {
    return this.sent.filter((frame) => frame.type === type);
  }
}

export class FakeServer {
  /** @type {FakeSocket[]} */
  sockets = [];
  /** @type {Request[]} */
  requests = [];
  /** Upgrades fail. */
  blocked = false;
  /** What the next subscriptions are answered. */
  subscribed = { recovered: true, cursor: "0" };
  /** @type {Map<string, (request: Request) => Answer>} */
  #routes = new Map();
  #now = 0;
  #tick;
  /** @type {{close: () => void}[]} */
  #clients = [];

  /** @param {import("node:test").TestContext} t */
  constructor(t) {
    const { WebSocket, fetch } = globalThis;
    const make = (/** @type {FakeServer} */ server) =>
      class extends FakeSocket {
        constructor() {
          super(server);
        }
      };
    Object.assign(globalThis, { WebSocket: make(this), fetch: this.#fetch.bind(this) });
    t.after(async () => {
      for (const client of this.#clients) client.close();
      await turns();
      Object.assign(globalThis, { WebSocket, fetch });
    });
    t.mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
    t.mock.method(performance, "now", () => this.#now);
    this.#tick = (/** @type {number} */ ms) => t.mock.timers.tick(ms);
    const session = { sessionId: "s", conversationId: "c", status: "open" };
    this.on("POST /api/chat/session", () => ({ body: session }));
    this.on("GET /api/chat/messages", () => ({
      body: { messages: [], hasMore: false, cursor: "0" },
    }));
  }

  /**
   * What a request is answered; the last one that was named counts.
   *
   * @param {string} what method and path
   * @param {(request: Request) => Answer} answer
   */
  on(what, answer) {
    this.#routes.set(what, answer);
  }

  /**
   * Connects a client, and closes it when the test is over.
   *
   * @template {{connect: () => void, close: () => void}} C
   * @param {C} client
   */
  async connect(client) {
    this.follow(client);
    client.connect();
    await this.pass(0);
    return client;
  }

  /** Closes a client when the test is over. @param {{close: () => void}} client */
  follow(client) {
    this.#clients.push(client);
  }

  /** The socket that was opened last. */
  get socket() {
    const last = this.sockets.at(-1);
    if (!last) throw new Error("no socket was opened");
    return last;
  }

  /** The requests of a method and a path. @param {string} what */
  asked(what) {
    return this.requests.filter(({ method, path }) => `${method} ${path}` === what);
  }

  /** Time passes, and whatever it brings is done. @param {number} ms */
  async pass(ms) {
    await turns();
    for (let passed = 0; passed < ms; passed += 100) {
      this.#now += 100;
      this.#tick(100);
      await turns();
    }
  }

  /** @param {FakeSocket} socket @param {Frame} frame */
  hears(socket, frame) {
    if (frame.type === "hello") {
      socket.tell({ type: "hello", maxMessageBytes: 65_536, pingIntervalMs: 25_000 });
    } else if (frame.type === "subscribe") {
      socket.tell({ type: "subscribed", replayed: 0, ...this.subscribed });
    } else if (frame.type === "message") {
      const { clientMessageId } = frame;
      const receipt = { id: `m-${clientMessageId}`, timestamp: "", duplicate: false };
      socket.tell({ type: "accepted", clientMessageId, ...receipt });
    }
  }

  /** @param {URL | string} url @param {RequestInit} [init] */
  async #fetch(url, { method = "GET", body } = {}) {
    const { pathname, searchParams } = new URL(url);
    const path = decodeURIComponent(pathname);
    const request = {
      method,
      path,
      query: searchParams,
      body: body ? JSON.parse(String(body)) : undefined,
    };
    this.requests.push(request);
    const missing = { status: 404, body: { error: { code: "not_found", retryable: false } } };
    const answer = this.#routes.get(`${method} ${path}`)?.(request) ?? missing;
    return new Response(JSON.stringify(answer.body), { status: answer.status ?? 200 });
  }
}

/** What the clients of these tests have in common. */
export const HOME = { baseUrl: "http://localhost", tenantId: "t", storage: null };

/** @param {string | number} n @param {Partial<Message>} [more] @returns {Message} */
export const message = (n, more) => ({
  id: `m${n}`,
  conversationId: "c",
  text: `${n}`,
  sender: "user",
  timestamp: "",
  cursor: `${n}`,
  ...more,
});

/**
 * A frame of the stream.
 *
 * @param {string} type
 * @param {string | number} n its cursor, and the end of its id
 * @param {object} [more]
 * @returns {Frame}
 */
export const frame = (type, n, more) => ({
  type,
  conversationId: "c",
  [type]:
    type === "message"
      ? message(n, more)
      : { id: `${type}${n}`, timestamp: "", cursor: `${n}`, ...more },
});

/**
 * Writes down what a client tells.
 *
 * @param {EventTarget} client
 * @param {string[]} types
 * @returns {{type: string, detail: any}[]}
 */
export function listen(client, types) {
  /** @type {{type: string, detail: any}[]} */
  const told = [];
  for (const type of types) {
    client.addEventListener(type, (event) => {
      told.push({ type, detail: /** @type {CustomEvent} */ (event).detail });
    });
  }
  return told;
}
