/** @file A visitor who works by REST alone, known by a token. */

/** @import {Server} from "./server.mjs" */

export class Visitor {
  #server;
  #tenantId;
  #token = "";

  /** @param {Server} server @param {string} tenantId */
  constructor(server, tenantId) {
    this.#server = server;
    this.#tenantId = tenantId;
  }

  /** @param {Server} server @param {string} tenantId */
  static async begin(server, tenantId) {
    const visitor = new Visitor(server, tenantId);
    const session = await visitor.call("POST", "session", { credential: "token" });
    visitor.#token = session.token;
    return visitor;
  }

  /** @param {string} text */
  async say(text) {
    return (await this.call("POST", "messages", { text })).message;
  }

  /** The texts that this visitor sees, oldest first. @returns {Promise<string[]>} */
  async texts() {
    const { messages } = await this.call("GET", "messages");
    return messages.map((/** @type {{text: string}} */ { text }) => text);
  }

  /**
   * @param {string} method
   * @param {string} path below `/api/chat/`
   * @param {object} [body]
   * @returns {Promise<any>}
   */
  async call(method, path, body) {
    const response = await fetch(`${this.#server.url}/api/chat/${path}`, {
      method,
      headers: {
        "X-Tenant-ID": this.#tenantId,
        "Content-Type": "application/json",
        ...(this.#token && { Authorization: `Bearer ${this.#token}` }),
      },
      body: body ? JSON.stringify(body) : null,
    });
    if (!response.ok)
      throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return response.json();
  }
}
