/** @file What the visitor thought of it, asked once after each end of the conversation. */

/** @import {Values} from "./bridge.js" */
/** @import {Conversation} from "./conversation.js" */
/** @import {Texts} from "./texts.js" */

import { find, make, say } from "./find.js";
import { fill } from "./texts.js";

const SCORES = [1, 2, 3, 4, 5];
const STAR = "M12 3.2l2.7 5.6 6.1.8-4.5 4.2 1.1 6.1L12 17l-5.4 2.9 1.1-6.1L3.2 9.6l6.1-.8z";

export class RatingPanel {
  #panel = find("rating");
  #title = find("rating-title");
  #scores = find("scores");
  #more = find("rating-more");
  #form = /** @type {HTMLFormElement} */ (find("rating-form"));
  #comment = /** @type {HTMLTextAreaElement} */ (find("comment"));
  #skip = find("rating-skip");
  #conversation;
  /** @type {Texts | undefined} */
  #texts;
  #score = 0;
  #kept;
  #keep;
  #thanks = false;

  /**
   * @param {Conversation} conversation
   * @param {Values} kept
   * @param {(values: Values) => void} keep
   */
  constructor(conversation, kept, keep) {
    this.#conversation = conversation;
    this.#kept = kept;
    this.#keep = keep;
    conversation.addEventListener("closed", () => {
      keep({ rate: true });
      this.#thanks = false;
      this.#score = 0;
      this.#comment.value = "";
      this.#mark();
    });
    for (const score of SCORES) this.#scores.append(this.#button(score));
    this.#scores.addEventListener("keydown", (event) => this.#move(event));
    this.#skip.addEventListener("click", () => {
      keep({ rate: false });
      this.show();
      find("text").focus();
    });
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#send();
    });
  }

  /** @param {Texts} texts */
  speak(texts) {
    this.#texts = texts;
    this.#skip.ariaLabel = texts.skip;
    this.#skip.title = texts.skip;
    find("comment-label").textContent = texts.comment;
    find("rating-send").textContent = texts.send;
    SCORES.forEach((n, index) => {
      const button = this.#scores.children[index];
      if (button) button.ariaLabel = fill(texts.score, { n });
    });
    this.show();
  }

  show() {
    const { status, lines } = this.#conversation;
    // Writing goes on with the conversation, and nobody asks any more how it was.
    const asks = this.#kept.rate === true || this.#thanks;
    this.#panel.hidden = !asks || status !== "closed" || lines.length === 0;
    if (this.#texts) say(this.#title, this.#thanks ? this.#texts.rated : this.#texts.rate);
    this.#form.hidden = this.#thanks;
  }

  /** @param {number} score */
  #button(score) {
    const button = make("button", "score");
    button.type = "button";
    button.setAttribute("role", "radio");
    const icon = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    icon.setAttribute("viewBox", "0 0 24 24");
    icon.setAttribute("aria-hidden", "true");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", STAR);
    icon.append(path);
    button.append(icon);
    button.addEventListener("click", () => this.#choose(score));
    return button;
  }

  /** As radio buttons are moved through. @param {KeyboardEvent} event */
  #move(event) {
    const forward = document.documentElement.dir === "rtl" ? "ArrowLeft" : "ArrowRight";
    const back = document.documentElement.dir === "rtl" ? "ArrowRight" : "ArrowLeft";
    const by = { [forward]: 1, ArrowUp: 1, [back]: -1, ArrowDown: -1 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    this.#choose(Math.min(5, Math.max(1, this.#score + by)));
    /** @type {HTMLElement | undefined} */ (this.#scores.children[this.#score - 1])?.focus();
  }

  /** @param {number} score */
  #choose(score) {
    this.#score = score;
    this.#mark();
  }

  #mark() {
    [...this.#scores.children].forEach((button, index) => {
      const n = index + 1;
      button.ariaChecked = String(n === this.#score);
      button.classList.toggle("full", n <= this.#score);
      // One of them is reached by Tab, the others by arrows.
      /** @type {HTMLElement} */ (button).tabIndex = n === Math.max(1, this.#score) ? 0 : -1;
    });
    this.#more.hidden = this.#score === 0;
  }

  async #send() {
    if (this.#score === 0) return;
    try {
      await this.#conversation.rate(this.#score, this.#comment.value.trim() || undefined);
      this.#thanks = true;
    } catch {
      // It cannot be told, or was told already: nobody is asked twice.
    }
    // It was answered, or put away, for this end.
    this.#keep({ rate: false });
    this.show();
    (this.#thanks ? this.#title : find("text")).focus();
  }
}
