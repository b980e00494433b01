/** @file Short words on what has just happened, read out as well. */

import { fill, h } from "./dom.js";

const STAYS_MS = 5_000;
const STAYS_WITH_ACTION_MS = 9_000;

export class Toast {
  element = h("div", { class: "toasts", role: "status", "aria-live": "polite" });
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {string} sentence
   * @param {{action?: {name: string, run: () => void} | undefined, bad?: boolean}} [how]
   */
  say(sentence, { action, bad = false } = {}) {
    clearTimeout(this.#timer);
    const button = action && h("button", { type: "button", class: "toast-action" }, action.name);
    button?.addEventListener("click", () => {
      fill(this.element);
      action?.run();
    });
    fill(
      this.element,
      h(
        "div",
        { class: `toast${bad ? " is-bad" : ""}` },
        h("span", { dir: "auto" }, sentence),
        button,
      ),
    );
    const stays = action ? STAYS_WITH_ACTION_MS : STAYS_MS;
    this.#timer = setTimeout(() => this.#leave(), stays);
  }

  /** What is under the pointer or has the focus is being read. */
  #leave() {
    if (this.element.matches(":hover, :focus-within")) {
      this.#timer = setTimeout(() => this.#leave(), STAYS_MS);
    } else fill(this.element);
  }
}
