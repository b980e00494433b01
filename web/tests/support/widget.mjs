/** @file The page that stands for the released widget, and the host that it is served from. */

import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";

import { visit } from "./browser.mjs";
import { until, untilEqual } from "./until.mjs";

/** @import {BrowserContext, FrameLocator, Page} from "playwright-core" */

/**
 * @typedef {{tenantId: string, path?: string, socket?: string,
 *   prepare?: (page: Page) => Promise<unknown>}} Where whose widget it is; where its socket is, if
 *   not on `/ws/chat`; what is done before anything is loaded
 */

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

/** A customer's page, which has the widget in a frame. @param {string} widget its address */
function embedding(widget) {
  const source = widget.replaceAll("&", "&amp;").replaceAll('"', "&quot;");
  return `<!doctype html><html lang="en"><head><title>Shop</title><link rel="icon" href="data:," />
    </head><body><iframe title="Chat" src="${source}"></iframe></body></html>`;
}

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
      const { pathname, searchParams } = new URL(request.url ?? "/", "http://host");
      const isScript = pathname === "/widget-page.js";
      response.setHeader("Content-Type", isScript ? "text/javascript" : "text/html");
      const page = pathname === "/shop" ? embedding(searchParams.get("widget") ?? "") : PAGE;
      response.end(isScript ? script : page);
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
   * @param {{url: string}} server
   * @param {Where} where
   */
  async open(context, server, { prepare, ...where }) {
    const widget = new Widget(await visit(context, this.#address(server, where), prepare));
    await widget.loaded();
    return widget;
  }

  /**
   * Opens a customer's page of another site, which has the widget in a frame.
   *
   * @param {BrowserContext} context
   * @param {{url: string}} server
   * @param {Where} where
   */
  async openEmbedded(context, server, where) {
    const shop = new URL(`http://127.0.0.1:${this.#port}/shop`);
    shop.searchParams.set("widget", this.#address(server, where));
    const page = await visit(context, shop.href);
    const widget = new Widget(page, page.frameLocator("iframe"));
    await widget.loaded();
    return widget;
  }

  /** @param {{url: string}} server @param {Where} where */
  #address({ url: base }, { tenantId, path = "/ws/chat", socket }) {
    const url = new URL(`http://localhost:${this.#port}/`);
    url.searchParams.set("tenantId", tenantId);
    url.searchParams.set("api", base);
    url.searchParams.set("socket", socket ?? `${base.replace("http", "ws")}${path}`);
    return url.href;
  }

  async end() {
    this.#http.closeAllConnections();
    this.#http.close();
    await once(this.#http, "close");
  }
}

/** A widget, as its reader handles it. */
export class Widget {
  /** @param {Page} page @param {Page | FrameLocator} [frame] where in the page it is */
  constructor(page, frame = page) {
    this.page = page;
    this.frame = frame;
  }

  state() {
    return this.frame.locator("#state").textContent();
  }

  texts() {
    return this.frame.locator("#messages li").allTextContents();
  }

  async loaded() {
    await until(
      "history is loaded",
      async () => (await this.frame.locator("#messages[data-loaded=yes]").count()) === 1,
    );
    await until("there is an input", () => this.frame.locator("form").isVisible());
  }

  async online() {
    // Its retries come 1, 3, 7 and 15 s after the losses.
    await untilEqual("the widget is online", () => this.state(), "Online", 30_000);
  }

  /** @param {string} text */
  async send(text) {
    await this.frame.locator("#text").fill(text);
    await this.frame.locator("button").click();
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
