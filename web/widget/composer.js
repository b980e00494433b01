/** @file Where the visitor writes: Enter sends, Shift and Enter make a line. */

/** @import {Conversation} from "./conversation.js" */
/** @import {Texts} from "./texts.js" */

import { find } from "./find.js";

/** How high the field grows, in pixels. */
const HIGHEST = 132;

export class Composer {
  #form = /** @type {HTMLFormElement} */ (find("composer"));
  #text = /** @type {HTMLTextAreaElement} */ (find("text"));
  #send = /** @type {HTMLButtonElement} */ (find("send"));
  #conversation;

  /**
   * @param {Conversation} conversation
   * @param {() => boolean} ready whether what else is asked for was filled in
   */
  constructor(conversation, ready) {
    this.#conversation = conversation;
    this.#text.addEventListener("input", () => {
      this.#fit();
      conversation.tellTyping(this.#text.value.trim() !== "");
    });
    this.#text.addEventListener("blur", () => conversation.tellTyping(false));
    this.#text.addEventListener("keydown", (event) => {
      // Enter also ends the choice of a word in languages that are written so.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#form.requestSubmit();
    });
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#text.value.trim() !== "" && ready()) this.#submit();
    });
    this.#fit();
  }

  /** @param {Texts} texts */
  speak(texts) {
    this.#send.ariaLabel = texts.send;
    this.#send.title = texts.send;
    this.show(texts);
  }

  /** @param {Texts} texts */
  show(texts) {
    const hint = this.#conversation.status === "closed" ? texts.goOn : texts.placeholder;
    if (this.#text.placeholder === hint) return;
    this.#text.placeholder = hint;
    this.#text.ariaLabel = hint;
  }

  focus() {
    this.#text.focus();
  }

  #submit() {
    try {
      this.#conversation.send(this.#text.value.trim());
    } catch {
      // Too much waits already: the text stays, to be sent later.
      return;
    }
    this.#text.value = "";
    this.#fit();
    this.#text.focus();
  }

  #fit() {
    this.#text.style.height = "auto";
    this.#text.style.height = `${Math.min(this.#text.scrollHeight, HIGHEST)}px`;
    // Without a text, the hint decides nothing: the page's direction holds.
    if (this.#text.value === "") this.#text.removeAttribute("dir");
    else this.#text.dir = "auto";
    this.#send.disabled = this.#text.value.trim() === "";
  }
}
