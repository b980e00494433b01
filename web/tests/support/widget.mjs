/** @file The page that stands for the released widget, and the host that it is served from. */

import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";

import { visit } from "./browser.mjs";
import { until, untilEqual } from "./until.mjs";

/** @import {BrowserContext, Page} from "playwright-core" */
/** @import {Server} from "./server.mjs" */

const PAGE = `<!doctype html>
<html lang="en">
  <head><meta charset="utf-8" /><title>Widget</title><link rel="icon" href="data:," /></head>
  <body>
    <p id="state">Connecting…</p>
    <ol id="messages"></ol>
    <form hidden><textarea id="text"></textarea><button>Send</button></form>
    <script type="module" src="/widget-page.js"></script>
  </body>
</html>`;

/**
 * Serves the widget's page, as the widget's maker does: from an origin that is not the server's.
 */
export class WidgetHost {
  #http;
  #port = 0;

  /** @param {import("node:http").Server} http */
  constructor(http) {
    this.#http = http;
  }

  static async begin() {
    const script = await readFile(new URL("../widget-page.js", import.meta.url));
    const http = createServer((request, response) => {
      const isScript = request.url === "/widget-page.js";
      response.setHeader("Content-Type", isScript ? "text/javascript" : "text/html");
      response.end(isScript ? script : PAGE);
    });
    http.listen(0, "127.0.0.1");
    await once(http, "listening");
    const host = new WidgetHost(http);
    const address = http.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    host.#port = address.port;
    return host;
  }

  /**
   * Opens the widget and waits until it has its history and may be typed into.
   *
   * @param {BrowserContext} context
   * @param {Server} server
   * @param {{tenantId: string, path?: string, socket?: string}} options where the socket is, if not
   *   on `/ws/chat`
   */
  async open(context, server, { tenantId, path = "/ws/chat", socket }) {
    const url = new URL(`http://localhost:${this.#port}/`);
    url.searchParams.set("tenantId", tenantId);
    url.searchParams.set("api", server.url);
    url.searchParams.set("socket", socket ?? `${server.url.replace("http", "ws")}${path}`);
    const widget = new Widget(await visit(context, url.href));
    await widget.loaded();
    return widget;
  }

  async end() {
    this.#http.closeAllConnections();
    this.#http.close();
    await once(this.#http, "close");
  }
}

/** A widget, as its reader handles it. */
export class Widget {
  /** @param {Page} page */
  constructor(page) {
    this.page = page;
  }

  state() {
    return this.page.locator("#state").textContent();
  }

  texts() {
    return this.page.locator("#messages li").allTextContents();
  }

  async loaded() {
    await until(
      "history is loaded",
      async () => (await this.page.locator("#messages[data-loaded=yes]").count()) === 1,
    );
    await until("there is an input", () => this.page.locator("form").isVisible());
  }

  async online() {
    // Its retries come 1, 3, 7 and 15 s after the losses.
    await untilEqual("the widget is online", () => this.state(), "Online", 30_000);
  }

  /** @param {string} text */
  async send(text) {
    await this.page.locator("#text").fill(text);
    await this.page.locator("button").click();
  }

  /** @param {string[]} texts */
  async shows(texts) {
    await untilEqual("the widget shows each once, in order", () => this.texts(), texts, 30_000);
  }

  async reload() {
    await this.page.reload();
    await this.loaded();
  }
}
