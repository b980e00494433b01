/**
 * @file Canned replies: the team's, edited in a small dialog. Where the server has no desk they are
 *   kept in this browser, and what was kept there before can be shared.
 */

/** @import {Team} from "./team.js" @import {Toast} from "./toast.js" */

import { timelessId } from "../client/uuid7.js";
import { texts } from "../ui/texts/dashboard.en.js";
import { CannedRow } from "./canned-row.js";
import { freshId, h, say } from "./dom.js";
import { icon } from "./icons.js";
import { Setting } from "./settings.js";
import { MAX_VALUE_BYTES, bytesOf, wordsOf } from "./team.js";

/** @typedef {{name: string, text: string}} Reply */

const MAX_REPLIES = 200;

export class Canned {
  #setting;
  #team;
  #toast;
  /** The rows of the dialog, by the keys of their replies. @type {Map<string, CannedRow>} */
  #rows = new Map();
  /** Whether the rows are the team's. */
  #shared = false;
  #dialog = h("dialog", { class: "sheet canned" });
  #note = h("p", { class: "sheet-note" });
  #offer = h("div", { class: "canned-offer", hidden: true });
  #offered = h("p", {});
  #list = h("ul", { class: "canned-list" });
  #none = h("p", { class: "canned-none" }, texts.canned.empty);
  #problem = h("p", { class: "problem", role: "alert", hidden: true });

  /** @param {Storage | undefined} storage @param {Team} team @param {Toast} toast */
  constructor(storage, team, toast) {
    this.#setting = new Setting(storage, "canned", "");
    this.#team = team;
    this.#toast = toast;
    const words = texts.canned;
    const titleId = freshId("title");
    const leave = h(
      "button",
      { type: "button", class: "icon-button", "aria-label": texts.palette.close },
      icon("close"),
    );
    leave.addEventListener("click", () => this.#dialog.close());
    const add = button(words.add, () => this.#add(), icon("plus"));
    const share = button(words.share, () => {
      share.disabled = true;
      void this.#share().finally(() => (share.disabled = false));
    });
    const forget = button(words.forget, () => {
      this.#setting.set("[]");
      this.#show();
    });
    this.#offer.append(this.#offered, share, forget);
    this.#dialog.setAttribute("aria-labelledby", titleId);
    this.#dialog.append(
      h("header", { class: "sheet-head" }, h("h2", { id: titleId }, words.title), leave),
      this.#note,
      this.#offer,
      this.#list,
      this.#none,
      h("footer", { class: "sheet-foot" }, add, this.#problem),
    );
    this.#dialog.addEventListener("close", () => this.#close());
    team.on("changed", () => {
      if (this.#dialog.open && team.known) this.#show();
    });
    document.body.append(this.#dialog);
  }

  /** Those that have a text: the team's, and then what is in this browser alone. */
  get all() {
    const all = this.#team.known ? [...this.#replies.values(), ...this.#kept] : this.#kept;
    return all.filter(({ text }) => text.trim() !== "");
  }

  edit() {
    this.#tell("");
    this.#show();
    this.#dialog.showModal();
  }

  /** What is in this browser alone. @returns {Reply[]} */
  get #kept() {
    // Whoever has none is given some to begin with, unless the team has.
    if (this.#setting.value !== "") return read(this.#setting.value);
    return this.#team.known && this.#replies.size > 0 ? [] : starters();
  }

  /** The team's, by key. @returns {Map<string, Reply>} */
  get #replies() {
    const replies = this.#team.all("reply").map(([key, { name, text }]) => {
      return /** @type {const} */ ([key, { name: wordsOf(name) || key, text: wordsOf(text) }]);
    });
    return new Map(replies.sort(([, a], [, b]) => a.name.localeCompare(b.name)));
  }

  // === the dialog ===

  /** Brings the rows to what is known, but for those that are being written in. */
  #show() {
    const { known } = this.#team;
    if (known !== this.#shared || !this.#dialog.open) {
      if (this.#dialog.open) this.#keep();
      for (const [key, row] of this.#rows) {
        // What could not be saved is still there when the dialog is opened again.
        if (!(known && this.#shared && row.dirty)) this.#drop(key);
      }
      this.#shared = known;
    }
    const kept = this.#kept;
    const replies = known
      ? this.#replies
      : new Map(kept.map((reply, at) => /** @type {const} */ ([String(at), reply])));
    for (const [key, row] of this.#rows) if (!row.dirty && !replies.has(key)) this.#drop(key);
    for (const [key, reply] of replies) {
      const row = this.#rows.get(key) ?? this.#row(key);
      if (!row.dirty) row.show(reply);
    }
    say(this.#note, known ? texts.canned.shared : texts.canned.kept);
    this.#offer.hidden = !known || kept.length === 0;
    say(this.#offered, texts.canned.unshared(kept.length));
    this.#none.hidden = this.#rows.size > 0;
  }

  /** @param {string} key */
  #row(key) {
    const row = new CannedRow({
      most: this.#team.known ? MAX_VALUE_BYTES : Infinity,
      changed: () => {
        if (this.#shared) void this.#save(key, row);
      },
      remove: () => {
        this.#drop(key);
        this.#none.hidden = this.#rows.size > 0;
        if (this.#shared && this.#replies.has(key)) void this.#furnish(key, null, row.value.name);
      },
    });
    this.#rows.set(key, row);
    this.#list.append(row.element);
    return row;
  }

  /** @param {string} key */
  #drop(key) {
    this.#rows.get(key)?.element.remove();
    this.#rows.delete(key);
  }

  #add() {
    if (this.#rows.size >= MAX_REPLIES) return;
    const row = this.#row(timelessId());
    row.dirty = true;
    this.#none.hidden = true;
    row.focus();
  }

  #close() {
    if (!this.#shared) return this.#keep();
    for (const [key, row] of [...this.#rows]) {
      if (!row.dirty) continue;
      if (row.value.text.trim() !== "") {
        void this.#save(key, row);
        if (row.isTooLong) this.#tell(texts.canned.failed(row.value.name));
      } else {
        this.#drop(key);
        if (this.#replies.has(key)) void this.#furnish(key, null, row.value.name);
      }
    }
  }

  // === what is saved ===

  /** Keeps all rows in this browser. */
  #keep() {
    const replies = [...this.#rows.values()].map(({ value }) => value);
    this.#setting.set(JSON.stringify(replies.filter(({ text }) => text.trim() !== "")));
  }

  /** @param {string} key @param {CannedRow} row */
  async #save(key, row) {
    const { value } = row;
    const sent = JSON.stringify(value);
    if (!row.dirty || row.isTooLong || value.text.trim() === "" || row.sent === sent) return;
    row.sent = sent;
    const saved = await this.#furnish(key, value, value.name);
    row.sent = "";
    // What was typed meanwhile is saved by the next change.
    if (saved && JSON.stringify(row.value) === sent) row.dirty = false;
  }

  /** @param {string} key @param {Reply | null} reply @param {string} name */
  async #furnish(key, reply, name) {
    try {
      await this.#team.furnish("reply", key, reply);
      return true;
    } catch {
      this.#tell(texts.canned.failed(name));
      return false;
    }
  }

  /** Gives the team what is in this browser alone; what it does not take stays. */
  async #share() {
    const left = [];
    for (const reply of this.#kept) {
      const fits = bytesOf(reply) <= MAX_VALUE_BYTES;
      if (!fits) this.#tell(texts.canned.failed(reply.name));
      if (!fits || !(await this.#furnish(timelessId(), reply, reply.name))) left.push(reply);
    }
    this.#setting.set(JSON.stringify(left));
    this.#show();
  }

  /** @param {string} sentence */
  #tell(sentence) {
    this.#problem.hidden = sentence === "";
    say(this.#problem, sentence);
    // A toast would be behind the dialog.
    if (sentence !== "" && !this.#dialog.open) this.#toast.say(sentence, { bad: true });
  }
}

/** @param {string} name @param {() => void} run @param {...Node} before */
function button(name, run, ...before) {
  const element = h("button", { type: "button", class: "button" }, ...before, name);
  element.addEventListener("click", run);
  return element;
}

/** @returns {Reply[]} */
function starters() {
  return texts.canned.starters.map(([name = "", text = ""]) => ({ name, text }));
}

/** What another version has left is no list of replies. @param {string} json @returns {Reply[]} */
function read(json) {
  try {
    const list = JSON.parse(json);
    if (!Array.isArray(list)) return starters();
    return list.filter(({ name, text }) => typeof name === "string" && typeof text === "string");
  } catch {
    return starters();
  }
}
