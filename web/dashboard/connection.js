/** @file The bar that says that the page is not connected, since when, and when it tries again. */

/** @import {Api} from "./api.js" */

import { texts } from "../ui/texts/dashboard.en.js";
import { h, say } from "./dom.js";
import { icon } from "./icons.js";
import { hour } from "./times.js";

/** A connection that comes back this soon is not worth a bar that moves everything. */
const PATIENCE_MS = 1_200;

export class Connection {
  element = h("div", { class: "offline", role: "status", hidden: true });
  #words = h("span");
  #api;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {Api} api @param {() => void} missed is called when something may have been missed */
  constructor(api, missed) {
    this.#api = api;
    this.element.append(icon("more"), this.#words);
    api.on("state", () => this.#show());
    api.on("gap", missed);
    this.#timer = setTimeout(() => this.#draw(), PATIENCE_MS);
  }

  #show() {
    clearTimeout(this.#timer);
    if (this.#api.state === "online") this.element.hidden = true;
    else this.#timer = setTimeout(() => this.#draw(), PATIENCE_MS);
    document.documentElement.dataset.connection = this.#api.state;
  }

  #draw() {
    if (this.#api.state === "online") return;
    const last = this.#api.lastEventAt;
    say(this.#words, last === undefined ? texts.offline.never : texts.offline.since(hour(last)));
    this.element.hidden = false;
  }
}
