/** @file Canned replies: kept in this browser, chosen by typing, edited in a small dialog. */

import { texts } from "../ui/texts/dashboard.en.js";
import { fill, freshId, h } from "./dom.js";
import { icon } from "./icons.js";
import { Setting } from "./settings.js";

/** @typedef {{name: string, text: string}} Reply */

const MAX_REPLIES = 200;

export class Canned {
  #setting;
  /** @type {Reply[]} */
  #replies;
  #dialog = h("dialog", { class: "sheet canned" });
  #list = h("ul", { class: "canned-list" });

  /** @param {Storage | undefined} storage */
  constructor(storage) {
    this.#setting = new Setting(storage, "canned", "");
    this.#replies = read(this.#setting.value);
    const words = texts.canned;
    const titleId = freshId("title");
    const leave = h(
      "button",
      { type: "button", class: "icon-button", "aria-label": texts.palette.close },
      icon("close"),
    );
    leave.addEventListener("click", () => this.#dialog.close());
    const add = h("button", { type: "button", class: "button" }, icon("plus"), words.add);
    add.addEventListener("click", () => {
      if (this.#replies.length >= MAX_REPLIES) return;
      this.#replies.push({ name: "", text: "" });
      this.#draw();
      this.#list.lastElementChild?.querySelector("input")?.focus();
    });
    this.#dialog.setAttribute("aria-labelledby", titleId);
    this.#dialog.append(
      h("header", { class: "sheet-head" }, h("h2", { id: titleId }, words.title), leave),
      h("p", { class: "sheet-note" }, words.kept),
      this.#list,
      h("footer", { class: "sheet-foot" }, add),
    );
    this.#dialog.addEventListener("close", () => this.#save());
    document.body.append(this.#dialog);
  }

  /** Those that have a text. */
  get all() {
    return this.#replies.filter(({ text }) => text.trim() !== "");
  }

  edit() {
    this.#draw();
    this.#dialog.showModal();
  }

  #draw() {
    const words = texts.canned;
    const rows = this.#replies.map((reply) => {
      const [nameId, textId] = [freshId("canned"), freshId("canned")];
      const name = h("input", { id: nameId, class: "input", type: "text", maxlength: "80" });
      const text = h("textarea", { id: textId, class: "input", rows: "2" });
      name.value = reply.name;
      text.value = reply.text;
      name.addEventListener("input", () => (reply.name = name.value));
      text.addEventListener("input", () => (reply.text = text.value));
      const remove = h(
        "button",
        { type: "button", class: "icon-button", "aria-label": `${words.remove}: ${reply.name}` },
        icon("close"),
      );
      remove.addEventListener("click", () => {
        this.#replies = this.#replies.filter((each) => each !== reply);
        this.#draw();
      });
      return h(
        "li",
        {},
        h(
          "div",
          { class: "canned-fields" },
          h("label", { for: nameId }, words.name),
          name,
          h("label", { for: textId }, words.text),
          text,
        ),
        remove,
      );
    });
    fill(
      this.#list,
      ...(rows.length > 0 ? rows : [h("li", { class: "canned-none" }, words.empty)]),
    );
  }

  #save() {
    this.#replies = this.all.map(({ name, text }) => ({
      name: name.trim() || text.slice(0, 40),
      text,
    }));
    this.#setting.set(JSON.stringify(this.#replies));
  }
}

/** What another version has left is no list of replies. @param {string} json @returns {Reply[]} */
function read(json) {
  const starters = texts.canned.starters.map(([name = "", text = ""]) => ({ name, text }));
  if (json === "") return starters;
  try {
    const list = JSON.parse(json);
    if (!Array.isArray(list)) return starters;
    return list.filter(({ name, text }) => typeof name === "string" && typeof text === "string");
  } catch {
    return starters;
  }
}
