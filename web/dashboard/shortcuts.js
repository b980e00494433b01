/** @file The shortcuts of one letter, and the dialog that shows them. */

import { texts } from "../ui/texts/dashboard.en.js";
import { freshId, h, isTextField } from "./dom.js";
import { icon } from "./icons.js";
import { Setting } from "./settings.js";

/** @typedef {keyof typeof texts.shortcuts.keys} Command */

/** @type {Record<string, Command>} */
const KEYS = {
  j: "next",
  k: "previous",
  r: "reply",
  n: "note",
  a: "assign",
  i: "claim",
  e: "close",
  z: "snooze",
  l: "label",
  "/": "canned",
  "?": "help",
};

/** @type {Record<keyof typeof texts.shortcuts.groups, Command[]>} */
const GROUPS = {
  move: ["next", "previous", "leave"],
  write: ["reply", "note", "canned"],
  do: ["claim", "assign", "label", "snooze", "close"],
  find: ["palette", "help"],
};

/** How the command key is called here. */
export const META = /Mac|iPhone|iPad/u.test(navigator.platform) ? "⌘" : "Ctrl";

export class Shortcuts {
  #run;
  #setting;
  #dialog = h("dialog", { class: "sheet" });
  #box;

  /** @param {Storage | undefined} storage @param {(command: Command) => void} run */
  constructor(storage, run) {
    this.#run = run;
    this.#setting = new Setting(storage, "shortcuts", "on");
    const [titleId, boxId] = [freshId("title"), freshId("box")];
    this.#box = h("input", { type: "checkbox", id: boxId, class: "switch" });
    this.#box.addEventListener("change", () => this.#setting.set(this.#box.checked ? "on" : "off"));
    const words = texts.shortcuts;
    const leave = h(
      "button",
      { type: "button", class: "icon-button", "aria-label": words.close },
      icon("close"),
    );
    leave.addEventListener("click", () => this.#dialog.close());
    this.#dialog.setAttribute("aria-labelledby", titleId);
    this.#dialog.append(
      h("header", { class: "sheet-head" }, h("h2", { id: titleId }, words.title), leave),
      h("div", { class: "keys" }, ...this.#groups()),
      h(
        "footer",
        { class: "sheet-foot" },
        this.#box,
        h("label", { for: boxId }, words.use),
        h("span", {}, words.outside),
      ),
    );
    document.body.append(this.#dialog);
    document.addEventListener("keydown", (event) => this.#key(event));
  }

  get on() {
    return this.#setting.value === "on";
  }

  /** @param {boolean} on */
  turn(on) {
    this.#setting.set(on ? "on" : "off");
  }

  show() {
    this.#box.checked = this.on;
    this.#dialog.showModal();
  }

  #groups() {
    return Object.entries(GROUPS).map(([name, commands]) =>
      h(
        "section",
        {},
        h("h3", {}, texts.shortcuts.groups[/** @type {keyof typeof GROUPS} */ (name)]),
        h(
          "dl",
          {},
          ...commands.map((command) =>
            h(
              "div",
              {},
              h("dt", {}, texts.shortcuts.keys[command]),
              h("dd", {}, ...keysOf(command)),
            ),
          ),
        ),
      ),
    );
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.defaultPrevented || event.isComposing) return;
    const inDialog = document.querySelector("dialog[open]") !== null;
    if (
      (event.ctrlKey || event.metaKey) &&
      !event.altKey &&
      !event.shiftKey &&
      event.key.toLowerCase() === "k"
    ) {
      event.preventDefault();
      if (!inDialog) this.#run("palette");
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || inDialog || isTextField(event.target))
      return;
    const command = KEYS[event.key.toLowerCase()];
    if (!command || !this.on) return;
    event.preventDefault();
    this.#run(command);
  }
}

/** @param {Command} command */
function keysOf(command) {
  if (command === "palette") return [h("kbd", {}, META), h("kbd", {}, "K")];
  if (command === "leave") return [h("kbd", {}, "Esc")];
  const key = Object.keys(KEYS).find((each) => KEYS[each] === command) ?? "";
  return [h("kbd", {}, key.toUpperCase())];
}

/** The key of a command, for what stands beside it. @param {Command} command */
export function keyOf(command) {
  return keysOf(command)
    .map((element) => element.textContent)
    .join(" ");
}
