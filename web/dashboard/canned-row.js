/** @file One canned reply in the dialog that edits them. */

import { texts } from "../ui/texts/dashboard.en.js";
import { attribute, freshId, h, say } from "./dom.js";
import { icon } from "./icons.js";
import { bytesOf } from "./team.js";

/** How many characters of a text are its name where it has none. */
const NAME_CHARS = 40;
/** From which share of the room on it is told how much is used. */
const NEARLY = 0.75;

export class CannedRow {
  #most;
  #name = h("input", { class: "input", type: "text", maxlength: "80" });
  #text = h("textarea", { class: "input", rows: "2" });
  #room = h("p", { class: "canned-room", hidden: true });
  #remove = h("button", { type: "button", class: "icon-button" }, icon("close"));
  /** Somebody has written in it, and it is not saved yet. */
  dirty = false;
  /** What is on its way to the server. */
  sent = "";

  /**
   * @param {{most: number, changed: () => void, remove: () => void}} how how many bytes it may
   *   have, and what is done when its fields are left
   */
  constructor({ most, changed, remove }) {
    this.#most = most;
    const words = texts.canned;
    this.#name.id = freshId("canned");
    this.#text.id = freshId("canned");
    this.#room.id = freshId("canned");
    this.#text.setAttribute("aria-describedby", this.#room.id);
    for (const field of [this.#name, this.#text]) {
      field.addEventListener("input", () => {
        this.dirty = true;
        this.#dress();
      });
      field.addEventListener("change", changed);
    }
    this.#remove.addEventListener("click", remove);
    this.element = h(
      "li",
      {},
      h(
        "div",
        { class: "canned-fields" },
        h("label", { for: this.#name.id }, words.name),
        this.#name,
        h("label", { for: this.#text.id }, words.text),
        this.#text,
        this.#room,
      ),
      this.#remove,
    );
    this.#dress();
  }

  get value() {
    const text = this.#text.value;
    const start = [...text.trim()].slice(0, NAME_CHARS).join("");
    return { name: this.#name.value.trim() || start, text };
  }

  get isTooLong() {
    return bytesOf(this.value) > this.#most;
  }

  /** @param {{name: string, text: string}} reply */
  show({ name, text }) {
    if (this.#name.value !== name) this.#name.value = name;
    if (this.#text.value !== text) this.#text.value = text;
    this.#dress();
  }

  focus() {
    this.#name.focus();
  }

  #dress() {
    const [bytes, most] = [bytesOf(this.value), this.#most];
    const { room, tooLong, remove } = texts.canned;
    this.#room.hidden = bytes <= most * NEARLY;
    this.#room.classList.toggle("is-bad", bytes > most);
    say(this.#room, bytes > most ? tooLong(bytes, most) : room(bytes, most));
    attribute(this.#text, "aria-invalid", bytes > most ? "true" : null);
    this.#remove.setAttribute("aria-label", `${remove}: ${this.#name.value}`);
  }
}
