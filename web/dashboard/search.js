/** @file The field that finds conversations by the visitor's e-mail. */

import { texts } from "../ui/texts/dashboard.en.js";
import { h } from "./dom.js";
import { icon } from "./icons.js";

export class Search {
  element = h("form", { class: "search", role: "search" });
  #field = h("input", {
    id: "search",
    class: "search-field",
    type: "search",
    inputmode: "email",
    autocomplete: "off",
    spellcheck: "false",
    maxlength: "254",
    placeholder: texts.list.search,
    "aria-label": texts.list.search,
  });
  #find;
  #last = "";

  /** @param {(email: string) => void} find an empty one ends the search */
  constructor(find) {
    this.#find = find;
    this.element.append(icon("search"), this.#field);
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#ask();
    });
    // The field's own cross empties it.
    this.#field.addEventListener("search", () => this.#ask());
    this.#field.addEventListener("ask", () => this.#field.focus());
    this.#field.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || this.#field.value === "") return;
      event.preventDefault();
      this.#field.value = "";
      this.#ask();
    });
  }

  clear() {
    this.#field.value = "";
    this.#last = "";
  }

  #ask() {
    const email = this.#field.value.trim();
    if (email === this.#last) return;
    this.#last = email;
    this.#find(email);
  }
}
