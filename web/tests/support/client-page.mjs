/**
 * @file A bare page of the server's origin with one client in it, whose frames a test can read and
 *   change.
 */

/** @import {BrowserContext, Page, WebSocketRoute} from "playwright-core" */
/** @import {ClientState, ParlorClient, ParlorOptions} from "../../client/parlor.js" */
/** @import {Server} from "./server.mjs" */
/** @typedef {Record<string, any> & {type: string}} Frame */

import { visit } from "./browser.mjs";
import { untilEqual } from "./until.mjs";

/**
 * What the page writes down of each event; an error as its code.
 *
 * @typedef {{type: string, text?: string, id?: string, source?: string, state?: ClientState,
 *   retryInMs?: number, error?: string, clientMessageId?: string, duplicate?: boolean}} Noted
 */

/** Everything that goes over the client's sockets, and the means to change it on its way. */
class Wire {
  /** Frames of the client, before they are changed; those of all its sockets. @type {Frame[]} */
  sent = [];
  /** Frames of the server, before they are changed. @type {Frame[]} */
  received = [];
  /** @type {(frame: Frame) => Frame | undefined} */
  outgoing = (frame) => frame;
  /** @type {(frame: Frame) => Frame | undefined} */
  incoming = (frame) => frame;

  /** @type {{page: WebSocketRoute, server: WebSocketRoute} | undefined} */
  #ends;

  /** @param {Page} page */
  install(page) {
    return page.routeWebSocket(/\/ws\/(chat|agent)/, (socket) => {
      const server = socket.connectToServer();
      this.#ends = { page: socket, server };
      socket.onMessage((data) => this.#pass(String(data), this.sent, this.outgoing, server));
      server.onMessage((data) => this.#pass(String(data), this.received, this.incoming, socket));
    });
  }

  /** Frames of a type that the client sent. @param {string} type */
  sentOf(type) {
    return this.sent.filter((frame) => frame.type === type);
  }

  /** Sends the client a frame that the server never sent. @param {Frame} frame */
  push(frame) {
    this.#ends?.page.send(JSON.stringify(frame));
  }

  /** Sends the server a frame that was kept back. @param {Frame} frame */
  forward(frame) {
    this.#ends?.server.send(JSON.stringify(frame));
  }

  /** Closes the socket with a code that the server did not send. @param {number} code */
  async close(code) {
    await Promise.all([
      this.#ends?.page.close({ code, reason: "test" }),
      this.#ends?.server.close({ code: 1000 }),
    ]);
  }

  /**
   * @param {string} data
   * @param {Frame[]} log
   * @param {(frame: Frame) => Frame | undefined} change
   * @param {WebSocketRoute} to
   */
  #pass(data, log, change, to) {
    const frame = /** @type {Frame} */ (JSON.parse(data));
    log.push(frame);
    const changed = change(frame);
    if (changed) to.send(JSON.stringify(changed));
  }
}

export class ClientPage {
  wire = new Wire();
  /** @type {Page} */
  page;

  /** @param {Page} page @param {Wire} wire */
  constructor(page, wire) {
    this.page = page;
    this.wire = wire;
  }

  /**
   * @param {BrowserContext} context
   * @param {Server} server
   * @param {(page: Page) => Promise<unknown>} [prepare]
   */
  static async open(context, server, prepare) {
    const wire = new Wire();
    // The page is a file of the server's that runs no script. A page that the test makes up does
    // not work: Chromium does not let it connect to this machine.
    const page = await visit(context, `${server.url}/demo/demo.css`, async (made) => {
      await wire.install(made);
      await prepare?.(made);
    });
    return new ClientPage(page, wire);
  }

  /**
   * Makes the page's client and connects it.
   *
   * @param {Pick<ParlorOptions, "tenantId" | "credential"> & {tokens?: string[]}} options an
   *   agent's tokens are handed out one after the other, the last again and again
   */
  async connect(options) {
    await this.page.evaluate(async ({ tokens, ...settings }) => {
      const address = "/client/parlor.js";
      const module = await import(address);
      const token = tokens && (() => (tokens.length > 1 ? tokens.shift() : tokens[0]));
      /** @type {ParlorClient} */
      const client = new module.ParlorClient({ ...settings, token });
      /** @type {Noted[]} */
      const log = [];
      client.addEventListener("message", ({ detail: { message, source } }) =>
        log.push({ type: "message", text: message.text, id: message.id, source }),
      );
      client.addEventListener("accepted", ({ detail: { id, clientMessageId, duplicate } }) =>
        log.push({ type: "accepted", id, clientMessageId, duplicate }),
      );
      client.addEventListener("failed", ({ detail: { draft, error } }) =>
        log.push({ type: "failed", text: draft.text, error: error.code }),
      );
      client.addEventListener("gap", () => log.push({ type: "gap" }));
      client.addEventListener("state", ({ detail: { state, retryInMs, error } }) =>
        log.push({
          type: "state",
          state,
          ...(retryInMs !== undefined && { retryInMs }),
          ...(error && { error: error.code }),
        }),
      );
      Object.assign(globalThis, { client, log });
      client.connect();
    }, options);
  }

  async connected() {
    await this.stateIs("online");
  }

  /** @param {ClientState} state */
  async stateIs(state) {
    await untilEqual(
      `the client is ${state}`,
      () => this.page.evaluate("client.state"),
      state,
      30_000,
    );
  }

  /**
   * What the page wrote down of one kind of event.
   *
   * @param {string} type
   * @returns {Promise<Noted[]>}
   */
  async noted(type) {
    const log = /** @type {Noted[]} */ (await this.page.evaluate("log"));
    return log.filter((entry) => entry.type === type);
  }

  async texts() {
    return (await this.noted("message")).map(({ text }) => text);
  }

  /** @param {string[]} texts */
  async shows(texts) {
    await untilEqual("each message once, in order", () => this.texts(), texts, 30_000);
  }

  /**
   * @param {string} text
   * @param {string} [conversationId]
   * @returns {Promise<string>} the client message id
   */
  send(text, conversationId) {
    return this.page.evaluate(
      ([said, to]) => {
        const { client } = /** @type {{client: ParlorClient}} */ (
          /** @type {unknown} */ (globalThis)
        );
        return client.send(said ?? "", { conversationId: to }).clientMessageId;
      },
      [text, conversationId],
    );
  }

  conversationId() {
    return /** @type {Promise<string>} */ (this.page.evaluate("client.conversationId"));
  }
}
