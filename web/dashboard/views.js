/** @file The views on the left, with how many conversations each has. */

/** @import {Desk} from "./desk.js" @import {IconName} from "./icons.js" */

import { texts } from "../ui/texts/dashboard.en.js";
import { attribute, fill, h, say } from "./dom.js";
import { icon } from "./icons.js";
import { viewName } from "./list.js";
import { hueOf } from "./people.js";

/** What a count says that stopped counting. */
const MOST = 1000;

/** @type {{key: string, icon: IconName, count?: keyof import("./types.js").Counts}[]} */
export const FIXED = [
  { key: "mine", icon: "mine", count: "mine" },
  { key: "none", icon: "none", count: "unassigned" },
  { key: "waiting", icon: "waiting", count: "waiting" },
  { key: "open", icon: "inbox", count: "open" },
  { key: "snoozed", icon: "snoozed", count: "snoozed" },
  { key: "closed", icon: "closed" },
];

export class Views {
  #desk;
  #choose;
  /** @type {Map<string, {button: HTMLButtonElement, count: HTMLElement}>} */
  #items = new Map();
  #fixed = h("ul", { class: "view-group" });
  #teams = h("ul", { class: "view-group" });
  #labels = h("ul", { class: "view-group" });
  #teamsTitle = h("h2", { class: "view-title", hidden: true }, texts.views.teams);
  #labelsTitle = h("h2", { class: "view-title", hidden: true }, texts.views.labels);
  element = h("nav", { class: "views-nav", "aria-label": texts.views.title });

  /** @param {Desk} desk @param {(view: string) => void} choose */
  constructor(desk, choose) {
    this.#desk = desk;
    this.#choose = choose;
    for (const { key, icon: name } of FIXED) this.#fixed.append(this.#item(key, icon(name)));
    this.element.append(
      this.#fixed,
      this.#teamsTitle,
      this.#teams,
      this.#labelsTitle,
      this.#labels,
    );
    desk.on("counts", () => this.update());
    desk.on("list", () => this.update());
    this.update();
  }

  update() {
    const { view, counts, marks } = this.#desk;
    this.#group(this.#teams, this.#teamsTitle, marks.teams, "team");
    this.#group(this.#labels, this.#labelsTitle, marks.labels, "label");
    for (const [key, { button }] of this.#items) {
      attribute(button, "aria-current", key === view ? "page" : null);
    }
    for (const { key, count } of FIXED) {
      const number = count && counts?.[count];
      const element = this.#items.get(key)?.count;
      if (!element) continue;
      say(element, number ? (number >= MOST ? `${MOST}+` : String(number)) : "");
      element.classList.toggle("is-loud", key === "waiting");
    }
  }

  /**
   * @param {HTMLElement} list
   * @param {HTMLElement} title
   * @param {string[]} names
   * @param {"team" | "label"} kind
   */
  #group(list, title, names, kind) {
    title.hidden = names.length === 0;
    const keys = names.map((name) => `${kind}/${name}`);
    const shown = [...list.children].map((child) => child.getAttribute("data-view"));
    if (shown.length === keys.length && keys.every((key, at) => key === shown[at])) return;
    fill(
      list,
      ...keys.map((key, at) => {
        const mark =
          kind === "team"
            ? icon("team")
            : h("span", { class: "swatch", "data-hue": hueOf(names[at] ?? "") });
        return this.#item(key, mark);
      }),
    );
  }

  /** @param {string} key @param {Element} mark */
  #item(key, mark) {
    const count = h("span", { class: "view-count" });
    const name = h("span", { class: "view-name", dir: "auto" }, viewName(key));
    const button = h("button", { type: "button", class: "view" }, mark, name, count);
    button.addEventListener("click", () => this.#choose(key));
    this.#items.set(key, { button, count });
    return h("li", { "data-view": key }, button);
  }
}
