/**
 * @file What the chat asks of the visitor: a name before the first message, and an address while
 *   nobody is there.
 */

/** @import {Values} from "./bridge.js" */
/** @import {Conversation} from "./conversation.js" */
/** @import {Texts} from "./texts.js" */

import { find, say } from "./find.js";
import { fill } from "./texts.js";

/** Close to what the server takes: a name at a host. */
const EMAIL = /^[^\s@]+@[^\s@]+\.[^\s@]+$/u;

/** Name and e-mail before the first message, and sent with it. */
export class Prechat {
  #fields = find("prechat");
  #name = /** @type {HTMLInputElement} */ (find("name"));
  #email = /** @type {HTMLInputElement} */ (find("email"));
  #wrong = find("prechat-wrong");
  #conversation;
  #keep;
  /** @type {Texts | undefined} */
  #texts;
  /** @type {"ask" | "require" | "off"} */
  #how = "off";
  #known;

  /**
   * @param {Conversation} conversation
   * @param {Values} kept
   * @param {(values: Values) => void} keep
   */
  constructor(conversation, kept, keep) {
    this.#conversation = conversation;
    this.#known = kept.known === true;
    this.#keep = keep;
    for (const field of [this.#name, this.#email]) {
      field.addEventListener("input", () => this.#complain(undefined));
      field.addEventListener("keydown", (event) => {
        // Enter goes on to the next field, and does not send.
        if (event.key !== "Enter" || event.isComposing) return;
        event.preventDefault();
        (field === this.#name ? this.#email : find("text")).focus();
      });
    }
  }

  /** @param {Texts} texts @param {string | undefined} how `ask` or `require`; else nothing is asked */
  speak(texts, how) {
    this.#texts = texts;
    this.#how = how === "ask" || how === "require" ? how : "off";
    const optional = this.#how === "ask" ? ` ${texts.optional}` : "";
    find("name-label").textContent = texts.name + optional;
    find("email-label").textContent = texts.email + optional;
    this.#name.required = this.#email.required = this.#how === "require";
    this.show();
  }

  show() {
    const { begun, loaded } = this.#conversation;
    this.#fields.hidden = this.#how === "off" || this.#known || begun || !loaded;
  }

  /** Whether the first message may go; what was filled in goes with it. */
  ready() {
    if (this.#fields.hidden || !this.#texts) return true;
    const [name, email] = [this.#name.value.trim(), this.#email.value.trim()];
    if (this.#how === "require" && name === "") return this.#complain(this.#name);
    if ((this.#how === "require" || email) && !EMAIL.test(email))
      return this.#complain(this.#email);
    this.#known = true;
    if (name || email) {
      const profile = { ...(name && { name }), ...(email && { email }) };
      void this.#conversation.tellProfile(profile);
      this.#keep({ known: true, ...(email && { email }) });
    }
    return true;
  }

  /** @param {HTMLInputElement | undefined} field @returns {false} */
  #complain(field) {
    for (const each of [this.#name, this.#email]) each.ariaInvalid = String(each === field);
    this.#wrong.hidden = field === undefined;
    if (field && this.#texts) {
      say(this.#wrong, field === this.#email ? this.#texts.emailWrong : this.#texts.required);
      field.focus();
    }
    return false;
  }
}

/** An address to answer to, while nobody of the team is there. */
export class Away {
  #form = find("away");
  #email = /** @type {HTMLInputElement} */ (find("away-email"));
  #wrong = find("away-wrong");
  #conversation;
  #known;
  /** @type {Texts | undefined} */
  #texts;
  #saved = "";

  /**
   * @param {Conversation} conversation
   * @param {Values} kept
   * @param {(values: Values) => void} keep
   */
  constructor(conversation, kept, keep) {
    this.#conversation = conversation;
    this.#known = () => typeof kept.email === "string" && kept.email !== "";
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      const email = this.#email.value.trim();
      const right = EMAIL.test(email);
      this.#wrong.hidden = right;
      this.#email.ariaInvalid = String(!right);
      if (!right) return this.#email.focus();
      void conversation.tellProfile({ email });
      kept.email = email;
      keep({ email });
      this.#saved = email;
      find("text").focus();
      this.show();
    });
  }

  /** @param {Texts} texts */
  speak(texts) {
    this.#texts = texts;
    find("away-text").textContent = texts.awayText;
    find("away-save").textContent = texts.save;
    this.#email.placeholder = texts.emailHint;
    this.#wrong.textContent = texts.emailWrong;
    this.show();
  }

  show() {
    const { here, loaded, status } = this.#conversation;
    // Where the first message asks for an address already, this would ask twice.
    const asked = !find("prechat").hidden;
    const shown = here === false && loaded && status === "open" && !asked && !this.#known();
    this.#form.hidden = !shown;
  }

  /** What is said of the answer that will come, while nobody is there. */
  get promise() {
    if (!this.#texts) return "";
    return this.#saved ? fill(this.#texts.saved, { email: this.#saved }) : this.#texts.away;
  }
}
