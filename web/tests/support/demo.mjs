/** @file The demo page, as its reader handles it. */

/** @import {Page} from "playwright-core" */
/** @typedef {"visitor" | "agent"} Side */

import { untilEqual } from "./until.mjs";

export class Demo {
  /** @param {Page} page */
  constructor(page) {
    this.page = page;
  }

  /** The state that a side's line shows. @param {Side} side */
  state(side) {
    return this.page.locator(`#${side} .state`).getAttribute("data-state");
  }

  /** What was said, as a side shows it. @param {Side} side */
  texts(side) {
    return this.page.locator(`#${side} .messages .text`).allTextContents();
  }

  /** What a side shows as still being sent. @param {Side} side */
  pending(side) {
    return this.page.locator(`#${side} .pending .text`).allTextContents();
  }

  /** @param {Side} side @param {string} text */
  async write(side, text) {
    await this.page.locator(`#${side}-text`).fill(text);
    await this.page.locator(`#${side}-text`).press("Enter");
  }

  /**
   * Waits until both sides say that they are connected, or are not.
   *
   * @param {string} state
   * @param {Side[]} [sides]
   */
  async both(state, sides = ["visitor", "agent"]) {
    for (const side of sides) {
      // The longest wait of the client's is 20 s.
      await untilEqual(`the ${side} is ${state}`, () => this.state(side), state, 30_000);
    }
  }

  /** Waits until a side shows exactly these. @param {Side} side @param {string[]} texts */
  async shows(side, texts) {
    await untilEqual(`the ${side} sees each once, in order`, () => this.texts(side), texts, 30_000);
  }

  /**
   * Waits until both sides show exactly these, and nothing is still being sent.
   *
   * @param {string[]} texts
   */
  async bothShow(texts) {
    for (const side of /** @type {Side[]} */ (["visitor", "agent"])) {
      await this.shows(side, texts);
      await untilEqual(`nothing of the ${side}'s is being sent`, () => this.pending(side), []);
    }
  }
}
