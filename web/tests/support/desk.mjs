/** @file The dashboard, as an agent handles it. */

/** @import {Browser, BrowserContext, Page} from "playwright-core" */

import { visit } from "./browser.mjs";
import { untilEqual } from "./until.mjs";

export class Desk {
  /** @param {Page} page */
  constructor(page) {
    this.page = page;
  }

  /**
   * Opens the dashboard and waits until it is connected.
   *
   * @param {BrowserContext} context
   * @param {string} url of the server
   * @param {Record<string, string>} [query]
   * @param {(page: Page) => Promise<unknown>} [prepare]
   */
  static async open(context, url, query = {}, prepare) {
    const desk = new Desk(
      await visit(context, `${url}/dashboard?${new URLSearchParams(query)}`, prepare),
    );
    await desk.connected();
    return desk;
  }

  async connected() {
    const state = () => this.page.locator("html").getAttribute("data-connection");
    await untilEqual("the dashboard is connected", state, "online");
  }

  /** The names in the list, from its top. */
  names() {
    return this.page.locator(".row .row-name").allTextContents();
  }

  /** The name of the open conversation's visitor; empty where none is open. */
  async openName() {
    const name = this.page.locator(".thread-name");
    return (await name.isVisible()) ? name.textContent() : "";
  }

  /** What was said in the open conversation: messages and notes. */
  texts() {
    return this.page.locator(".thread-log .text").allTextContents();
  }

  /** The small lines between the messages. */
  async lines() {
    const lines = await this.page.locator(".line-entry > span").allTextContents();
    return lines.map((line) => line.trim());
  }

  /** @param {string} name */
  async choose(name) {
    const named = this.page.locator(".row-name").getByText(name, { exact: true });
    await named.first().click();
    await untilEqual(`${name} is open`, () => this.openName(), name);
  }

  /** @param {...string} keys */
  async press(...keys) {
    for (const key of keys) await this.page.keyboard.press(key);
  }

  /** @param {string} text */
  async type(text) {
    await this.page.keyboard.type(text);
  }

  /** The names of the canned replies that `/` offers. */
  async replies() {
    await this.press("Escape");
    await this.press("/");
    const names = await this.page.locator(".palette-row .palette-name").allTextContents();
    await this.press("Escape");
    // The last one is the way to the dialog that edits them.
    return names.slice(0, -1);
  }

  /** Opens the dialog in which canned replies are edited. */
  async editReplies() {
    await this.press("/");
    await this.type("Edit the canned");
    await this.press("Enter");
    await this.page.locator("dialog.canned[open]").waitFor();
  }

  toast() {
    return this.page.locator(".toast span").textContent();
  }

  /** By how many pixels something is wider than the window. */
  tooWide() {
    return this.page.evaluate(() => {
      const { scrollWidth, clientWidth } = document.documentElement;
      const panes = [
        ...document.querySelectorAll(".list-scroll, .thread-scroll, .details, .views-nav"),
      ];
      const inside = panes.map((pane) => pane.scrollWidth - pane.clientWidth);
      return Math.max(scrollWidth - clientWidth, ...inside);
    });
  }
}

/**
 * Runs `body` with a browser profile of its own.
 *
 * @param {Browser} browser
 * @param {(context: BrowserContext) => Promise<void>} body
 * @param {import("playwright-core").BrowserContextOptions} [options]
 */
export async function withProfile(browser, body, options) {
  const context = await browser.newContext(options);
  try {
    await body(context);
  } finally {
    await context.close();
  }
}
