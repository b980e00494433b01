/** @file A network between the browser and the server, which can be cut. */

import { once } from "node:events";
import { connect, createServer } from "node:net";

/** @import {Socket} from "node:net" */

/** Carries connections to a server of this machine, until it is cut. */
export class Network {
  #listener;
  #port;
  /** @type {Set<Socket>} */
  #sockets = new Set();
  /** @type {"no" | "silent" | "refusing"} */
  #cut = "no";
  url = "";

  /** @param {string} server the base of its addresses */
  constructor(server) {
    this.#port = Number(new URL(server).port);
    this.#listener = createServer({ pauseOnConnect: true }, (client) => this.#carry(client));
  }

  /** @param {string} server */
  static async begin(server) {
    const network = new Network(server);
    network.#listener.listen(0, "127.0.0.1");
    await once(network.#listener, "listening");
    const address = network.#listener.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    network.url = `http://localhost:${address.port}`;
    return network;
  }

  /**
   * From now on nothing passes: `silent` as where a cable is out, so that neither side is told, or
   * `refusing`, where connections are reset and new ones too.
   *
   * @param {"silent" | "refusing"} how
   */
  cut(how) {
    this.#cut = how;
    for (const socket of this.#sockets) {
      if (how === "silent") socket.pause();
      else socket.resetAndDestroy();
    }
  }

  mend() {
    this.#cut = "no";
    for (const socket of this.#sockets) socket.resume();
  }

  async end() {
    for (const socket of this.#sockets) socket.destroy();
    this.#listener.close();
    await once(this.#listener, "close");
  }

  /** @param {Socket} client */
  #carry(client) {
    if (this.#cut === "refusing") {
      client.resetAndDestroy();
      return;
    }
    const server = connect(this.#port, "127.0.0.1");
    this.#pass(client, server);
    this.#pass(server, client);
  }

  /** @param {Socket} from @param {Socket} to */
  #pass(from, to) {
    this.#sockets.add(from);
    from.on("data", (chunk) => to.write(chunk));
    from.on("end", () => to.end());
    from.on("error", () => to.destroy());
    from.on("close", () => {
      this.#sockets.delete(from);
      to.destroy();
    });
    if (this.#cut === "no") from.resume();
    else from.pause();
  }
}
