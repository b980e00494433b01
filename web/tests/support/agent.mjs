/**
 * @file An agent who works by REST alone, with the development token that the demo page gets too.
 */

/** @import {Conversation, HistoryPage, InboxPage} from "../../client/parlor.js" */
/** @import {Server} from "./server.mjs" */

import { until } from "./until.mjs";

export class Agent {
  #server;
  #tenantId;
  /** @type {string | undefined} */
  #token;

  /** @param {Server} server @param {string} tenantId */
  constructor(server, tenantId) {
    this.#server = server;
    this.#tenantId = tenantId;
  }

  /** The agent's development token. */
  async token() {
    if (this.#token === undefined) {
      const tenantId = encodeURIComponent(this.#tenantId);
      const url = `${this.#server.url}/demo/agent-token?tenantId=${tenantId}`;
      const response = await fetch(url);
      if (!response.ok)
        throw new Error(`no agent's token: ${response.status} ${await response.text()}`);
      this.#token = /** @type {{token: string}} */ (await response.json()).token;
    }
    return this.#token;
  }

  /**
   * Waits until there is a conversation in which `text` was said, and returns its id.
   *
   * @param {string} text
   */
  conversationWith(text) {
    return until(`a conversation in which “${text.slice(0, 40)}” was said`, async () => {
      const ids = await this.conversations();
      for (const id of ids) {
        if ((await this.history(id)).includes(text)) return id;
      }
      throw new Error(`the inbox has ${ids.length} conversations, and none with it`);
    });
  }

  /** The ids of the tenant's conversations. */
  async conversations() {
    const page = /** @type {InboxPage} */ (await this.#call("GET", ""));
    return page.conversations.map(({ id }) => id);
  }

  /** The texts of a conversation, oldest first. @param {string} id */
  async history(id) {
    const page = /** @type {HistoryPage} */ (
      await this.#call("GET", `/${encodeURIComponent(id)}/messages`)
    );
    return page.messages.map(({ text }) => text);
  }

  /**
   * Writes into a conversation. The same answer again is asked for with the same id, so that a
   * retry says it once.
   *
   * @param {string} id
   * @param {string} text
   */
  async reply(id, text) {
    const clientMessageId = crypto.randomUUID();
    const path = `/${encodeURIComponent(id)}/messages`;
    await until(`“${text}” accepted`, () => this.#call("POST", path, { text, clientMessageId }));
  }

  /**
   * What a conversation is like now.
   *
   * @param {string} id
   */
  async state(id) {
    const answer = await this.#call("GET", `/${encodeURIComponent(id)}`);
    return /** @type {{conversation: Conversation}} */ (answer).conversation;
  }

  /** Ends a conversation, until its visitor writes again. @param {string} id */
  async end(id) {
    await this.#call("PATCH", `/${encodeURIComponent(id)}`, { status: "closed" });
  }

  /** Notes that everything in a conversation was read. @param {string} id */
  async read(id) {
    const path = `/${encodeURIComponent(id)}`;
    const page = /** @type {HistoryPage} */ (await this.#call("GET", `${path}/messages`));
    await this.#call("PUT", `${path}/mark`, { read: page.messages.at(-1)?.cursor });
  }

  /**
   * @param {string} method
   * @param {string} path below the inbox
   * @param {object} [body]
   * @returns {Promise<unknown>}
   */
  async #call(method, path, body) {
    const token = await this.token();
    const response = await fetch(`${this.#server.url}/api/agent/conversations${path}`, {
      method,
      headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
      body: body ? JSON.stringify(body) : null,
    });
    if (!response.ok)
      throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return response.json();
  }
}

/** A tenant that no other test has; development mode invents it. */
export function newTenant() {
  return `t-${crypto.randomUUID().slice(0, 13)}`;
}
