/** @file The palette: one dialog for everything that is chosen by typing. */

/** @import {IconName} from "./icons.js" */

import { texts } from "../ui/texts/dashboard.en.js";
import { attribute, fill, freshId, h } from "./dom.js";
import { icon } from "./icons.js";

/** How many choices are shown at once. */
const MAX_SHOWN = 60;

/**
 * @typedef {object} Choice
 * @property {string} name
 * @property {string} [hint] beside it
 * @property {string} [keys] its shortcut
 * @property {IconName} [icon]
 * @property {Element} [mark] instead of an icon
 * @property {boolean} [on] whether it is in force, where several can be
 * @property {() => void} run
 */

/**
 * @typedef {object} Question
 * @property {string} title
 * @property {string} [hint] in the field
 * @property {() => Choice[]} choices asked for again after each choice that stays
 * @property {(text: string) => Choice | undefined} [create] a choice made of what was typed
 * @property {boolean} [stay] whether several can be chosen
 */

export class Palette {
  #dialog = h("dialog", { class: "palette" });
  #title = h("h2", { class: "unseen" });
  #list = h("ul", { class: "palette-list", role: "listbox" });
  #field;
  /** @type {Question | undefined} */
  #question;
  /** @type {Choice[]} */
  #shown = [];
  #at = 0;

  constructor() {
    const [listId, titleId] = [freshId("choices"), freshId("title")];
    this.#list.id = listId;
    this.#title.id = titleId;
    this.#dialog.setAttribute("aria-labelledby", titleId);
    this.#list.setAttribute("aria-labelledby", titleId);
    this.#field = h("input", {
      class: "palette-field",
      type: "text",
      role: "combobox",
      "aria-expanded": "true",
      "aria-controls": listId,
      "aria-labelledby": titleId,
      "aria-autocomplete": "list",
      autocomplete: "off",
      spellcheck: "false",
    });
    this.#dialog.append(
      this.#title,
      h("div", { class: "palette-head" }, icon("search"), this.#field, h("kbd", {}, "Esc")),
      this.#list,
      h("p", { class: "palette-hint" }, texts.palette.hint),
    );
    document.body.append(this.#dialog);
    this.#field.addEventListener("input", () => this.#search());
    this.#field.addEventListener("keydown", (event) => this.#key(event));
    this.#dialog.addEventListener("click", (event) => {
      // A click beside the dialog's content lands on the dialog itself.
      if (event.target === this.#dialog) this.#dialog.close();
    });
    this.#list.addEventListener("click", (event) => {
      const row = event.target instanceof Element ? event.target.closest("[data-at]") : null;
      if (row) this.#run(Number(row.getAttribute("data-at")));
    });
    this.#list.addEventListener("pointermove", (event) => {
      const row = event.target instanceof Element ? event.target.closest("[data-at]") : null;
      if (row) this.#go(Number(row.getAttribute("data-at")), false);
    });
  }

  get isOpen() {
    return this.#dialog.open;
  }

  /** @param {Question} question */
  ask(question) {
    this.#question = question;
    this.#title.textContent = question.title;
    this.#field.placeholder = question.hint ?? question.title;
    this.#field.value = "";
    if (!this.#dialog.open) this.#dialog.showModal();
    this.#field.focus();
    this.#search();
  }

  #search(at = 0) {
    const question = this.#question;
    if (!question) return;
    const typed = this.#field.value.trim();
    const words = typed.toLocaleLowerCase().split(/\s+/u).filter(Boolean);
    const fits = (/** @type {Choice} */ { name, hint = "" }) => {
      const text = `${name} ${hint}`.toLocaleLowerCase();
      return words.every((word) => text.includes(word));
    };
    const choices = question.choices().filter(fits);
    const same = choices.some(({ name }) => name.toLocaleLowerCase() === typed.toLocaleLowerCase());
    const made = typed !== "" && !same ? question.create?.(typed) : undefined;
    this.#shown = [...choices.slice(0, MAX_SHOWN), ...(made ? [made] : [])];
    const rows = this.#shown.map((choice, place) => row(choice, place, question.stay === true));
    fill(
      this.#list,
      ...(rows.length > 0
        ? rows
        : [h("li", { class: "palette-none", role: "presentation" }, texts.palette.nothing)]),
    );
    this.#go(Math.min(at, this.#shown.length - 1), true);
  }

  /** @param {number} at @param {boolean} reveal */
  #go(at, reveal) {
    this.#at = Math.max(0, at);
    for (const [place, element] of [...this.#list.children].entries()) {
      const on = place === this.#at && this.#shown.length > 0;
      attribute(element, "data-active", on ? "" : null);
      if (!on) continue;
      if (!element.id) element.id = freshId("choice");
      this.#field.setAttribute("aria-activedescendant", element.id);
      if (reveal) element.scrollIntoView({ block: "nearest" });
    }
  }

  /** @param {number} at */
  #run(at) {
    const choice = this.#shown[at];
    if (!choice) return;
    const stay = this.#question?.stay === true;
    if (!stay) this.#dialog.close();
    choice.run();
    if (!stay) return;
    this.#field.value = "";
    this.#field.focus();
    this.#search(at);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.isComposing) return;
    const last = this.#shown.length - 1;
    if (event.key === "ArrowDown") this.#go(this.#at >= last ? 0 : this.#at + 1, true);
    else if (event.key === "ArrowUp") this.#go(this.#at <= 0 ? last : this.#at - 1, true);
    else if (event.key === "Enter") this.#run(this.#at);
    else return;
    event.preventDefault();
  }
}

/** @param {Choice} choice @param {number} at @param {boolean} several */
function row({ name, hint, keys, icon: iconName, mark, on }, at, several) {
  return h(
    "li",
    {
      class: "palette-row",
      role: "option",
      "data-at": at,
      "aria-selected": several ? String(on === true) : undefined,
    },
    mark ?? (iconName ? icon(iconName) : h("span", { class: "icon" })),
    h("span", { class: "palette-name", dir: "auto" }, name),
    hint ? h("span", { class: "palette-note", dir: "auto" }, hint) : null,
    on ? icon("check") : null,
    keys ? h("kbd", {}, keys) : null,
  );
}
