/** @file A site that embeds the widget, under a policy as strict as sites have them. */

import { once } from "node:events";
import { createServer } from "node:http";

import { visit } from "./browser.mjs";
import { until, untilEqual } from "./until.mjs";

/** @import {BrowserContext, FrameLocator, Page} from "playwright-core" */
/** @typedef {{tenantId: string, attributes?: Record<string, string>, lang?: string, dir?: string,
 *   prepare?: (page: Page) => Promise<unknown>}} Snippet what the site sets */

/** Nothing but the widget: no inline style, no inline script, no text that becomes either. */
const policyOf = (/** @type {string} */ server) =>
  `default-src 'none'; script-src ${server}; frame-src ${server}; img-src data:; base-uri 'none'; ` +
  "style-src 'self'; require-trusted-types-for 'script'";

/** The site's own style. It is served as a file, since its policy allows nothing inline. */
const STYLE = `body{margin:0;font:16px/1.6 Georgia,serif;color:#222;background:#fbfaf7}
header{padding:24px 40px;border-bottom:1px solid #e5e0d5;font-size:22px}
main{max-width:720px;padding:40px}h1{font-size:40px;line-height:1.1;margin:0 0 16px}
a{color:#7a4b1e}@media(prefers-color-scheme:dark){body{background:#191714;color:#e8e2d6}
header{border-color:#332e26}a{color:#d9a873}}`;

const escaped = (/** @type {string} */ text) =>
  text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");

/** @param {string} server @param {URLSearchParams} query */
function page(server, query) {
  const attributes = [...query].map(([name, value]) => ` ${name}="${escaped(value)}"`);
  const of = (/** @type {string} */ prefix) =>
    attributes.filter((each) => each.startsWith(` ${prefix}`)).join("");
  return `<!doctype html><html${of("lang")}${of("dir")}><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>A shop</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="/shop.css">
<script type="module" src="${server}/widget.js"${of("data-")}></script></head>
<body><header>Marlow &amp; Finch</header><main><h1>Teas, and what to drink them from</h1>
<p>Small harvests, sent the week they arrive. <a href="#more" id="before">This month’s list</a></p>
<p>Every pot is thrown by hand, and no two are alike.</p></main></body></html>`;
}

export class Shop {
  #http;
  /** Its own origin. */
  origin = "";

  /** @param {import("node:http").Server} http */
  constructor(http) {
    this.#http = http;
  }

  /** @param {string} server the installation's address @param {string} [address] */
  static async begin(server, address = "127.0.0.1") {
    const http = createServer((request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? "/", "http://shop");
      const isStyle = pathname === "/shop.css";
      response.setHeader("Content-Type", isStyle ? "text/css" : "text/html");
      response.setHeader("Content-Security-Policy", policyOf(server));
      response.end(isStyle ? STYLE : page(server, searchParams));
    });
    http.listen(0, address);
    await once(http, "listening");
    const bound = http.address();
    if (bound === null || typeof bound === "string") throw new Error("no port");
    const shop = new Shop(http);
    shop.origin = `http://${address}:${bound.port}`;
    return shop;
  }

  /** @param {BrowserContext} context @param {Snippet} snippet */
  async visit(context, { tenantId, attributes = {}, lang = "en", dir, prepare }) {
    const url = new URL(this.origin);
    url.searchParams.set("lang", lang);
    if (dir) url.searchParams.set("dir", dir);
    url.searchParams.set("data-tenant", tenantId);
    for (const [name, value] of Object.entries(attributes)) {
      url.searchParams.set(`data-${name}`, value);
    }
    const made = new Embedded(await visit(context, url.href, prepare));
    await until("the button is there", () => made.there());
    return made;
  }

  async end() {
    this.#http.closeAllConnections();
    this.#http.close();
    await once(this.#http, "close");
  }
}

/** The widget on a site's page, as its reader handles it. */
export class Embedded {
  /** @param {Page} page */
  constructor(page) {
    this.page = page;
    /** @type {FrameLocator} */
    this.frame = page.frameLocator("parlor-chat iframe");
    this.launcher = page.locator("parlor-chat button");
    this.dialog = page.locator("parlor-chat [role=dialog]");
    this.text = this.frame.locator("#text");
  }

  async there() {
    return (await this.page.locator("parlor-chat").count()) === 1;
  }

  /** Opens it, and waits until one may write. */
  async open() {
    await this.launcher.click();
    await this.online();
    await until("it has the focus", () =>
      this.frame.locator("body").evaluate(() => document.hasFocus()),
    );
  }

  async online() {
    await until("the chat is online", () =>
      this.frame
        .locator("#log[aria-busy=false]")
        .count()
        .then((count) => count === 1),
    );
  }

  /** @param {string} text */
  async write(text) {
    await this.text.fill(text);
    await this.text.press("Enter");
  }

  texts() {
    return this.frame.locator(".bubble").allTextContents();
  }

  /** @param {string[]} texts */
  async shows(texts) {
    await untilEqual("each message once, in order", () => this.texts(), texts);
  }

  badge() {
    return this.page.locator("parlor-chat b").textContent();
  }

  /** Whether the frame is open, as its reader sees it. */
  isOpen() {
    return this.dialog.evaluate((element) => element.classList.contains("open"));
  }
}
