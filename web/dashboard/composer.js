/** @file Where the agent writes: a reply or a note, each with a draft that is kept. */

import { texts } from "../ui/texts/dashboard.en.js";
import { attribute, fill, freshId, h, say } from "./dom.js";
import { icon } from "./icons.js";

/** @typedef {"reply" | "note"} Mode */

/** How high the field grows, in pixels. */
const MAX_HEIGHT = 240;

/** Texts that were begun, kept over reloads; without storage, as long as the page lives. */
export class Texts {
  #storage;
  #prefix;
  /** @type {Map<string, string>} */
  #all = new Map();

  /** @param {Storage | undefined} storage @param {string[]} scope whose texts these are */
  constructor(storage, scope) {
    this.#storage = storage;
    this.#prefix = `parlor:text:${scope.map(encodeURIComponent).join("/")}/`;
    for (let at = 0; at < (storage?.length ?? 0); at += 1) {
      const key = storage?.key(at);
      if (!key?.startsWith(this.#prefix)) continue;
      this.#all.set(key.slice(this.#prefix.length), storage?.getItem(key) ?? "");
    }
  }

  /** @param {string} id @param {Mode} mode */
  get(id, mode) {
    return this.#all.get(`${id}/${mode}`) ?? "";
  }

  /** @param {string} id */
  has(id) {
    return this.get(id, "reply") !== "" || this.get(id, "note") !== "";
  }

  /** @param {string} id @param {Mode} mode @param {string} text */
  set(id, mode, text) {
    const key = `${id}/${mode}`;
    if (text === "") this.#all.delete(key);
    else this.#all.set(key, text);
    try {
      if (text === "") this.#storage?.removeItem(this.#prefix + key);
      else this.#storage?.setItem(this.#prefix + key, text);
    } catch {
      // The storage is full or forbidden: the text lives as long as the page.
    }
  }
}

export class Composer {
  #texts;
  #how;
  /** @type {string | undefined} */
  #id;
  /** @type {Mode} */
  #mode = "reply";
  #name = "";
  #closed = false;
  #busy = false;

  element = h("form", { class: "composer", "data-mode": "reply" });
  #presence = h("p", { class: "presence-line", role: "status", hidden: true });
  #problem = h("p", { class: "problem", role: "alert", hidden: true });
  #label;
  #field = h("textarea", { class: "composer-field", rows: "1", enterkeyhint: "send" });
  #send = h("button", { class: "button primary send", type: "submit" });
  /** @type {Record<Mode, HTMLButtonElement>} */
  #tabs;

  /**
   * @param {Texts} kept
   * @param {{send: (id: string, mode: Mode, text: string) => Promise<void>, typing: (id: string,
   *   on: boolean) => void, canned: () => void, leave: () => void, drafted: (id: string) => void}}
   *   how
   */
  constructor(kept, how) {
    this.#texts = kept;
    this.#how = how;
    const fieldId = freshId("composer");
    this.#field.id = fieldId;
    this.#label = h("label", { for: fieldId, class: "unseen" });
    this.#tabs = { reply: this.#tab("reply"), note: this.#tab("note") };
    const canned = h(
      "button",
      {
        type: "button",
        class: "icon-button",
        "aria-label": texts.composer.canned,
        title: `${texts.composer.canned}  /`,
      },
      icon("canned"),
    );
    canned.addEventListener("click", () => how.canned());
    this.element.append(
      this.#presence,
      h(
        "div",
        { class: "composer-box" },
        h(
          "div",
          { class: "composer-tabs", role: "tablist", "aria-label": texts.composer.reply },
          this.#tabs.reply,
          this.#tabs.note,
        ),
        this.#label,
        this.#field,
        h(
          "div",
          { class: "composer-foot" },
          canned,
          h("span", { class: "composer-keys" }, texts.composer.keys),
          this.#send,
        ),
      ),
      this.#problem,
    );
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#submit();
    });
    this.#field.addEventListener("input", () => this.#typed());
    this.#field.addEventListener("keydown", (event) => this.#key(event));
    this.#field.addEventListener("blur", () => this.#id && how.typing(this.#id, false));
    this.#dress();
  }

  get mode() {
    return this.#mode;
  }

  /**
   * @param {string | undefined} id
   * @param {string} name of the visitor
   * @param {boolean} closed
   */
  open(id, name, closed) {
    this.#name = name;
    this.#closed = closed;
    if (id !== this.#id) {
      if (this.#id) this.#how.typing(this.#id, false);
      this.#id = id;
      this.#say("");
      // A note that was begun is what she comes back for, unless there is a reply as well.
      const noteOnly = id && !this.#texts.get(id, "reply") && this.#texts.get(id, "note");
      this.#mode = noteOnly ? "note" : "reply";
      this.#restore();
    }
    this.#dress();
  }

  /** @param {Mode} mode */
  focus(mode) {
    this.#switch(mode);
    this.#field.focus();
  }

  /** Puts a text where the caret is. @param {string} text */
  insert(text) {
    const { selectionStart, selectionEnd } = this.#field;
    this.#field.setRangeText(text, selectionStart, selectionEnd, "end");
    this.#field.focus();
    this.#typed();
  }

  /** Who else is here, above the field. @param {string} sentence @param {boolean} urgent */
  presence(sentence, urgent) {
    this.#presence.hidden = sentence === "";
    this.#presence.classList.toggle("is-urgent", urgent);
    say(this.#presence, sentence);
  }

  /** A text that could not be sent comes back, before what was written since. @param {string} id
   * @param {string} text @param {string} why */
  giveBack(id, text, why) {
    const since = this.#texts.get(id, "reply");
    this.#texts.set(id, "reply", since ? `${text}\n${since}` : text);
    this.#how.drafted(id);
    if (id !== this.#id) return;
    this.#switch("reply");
    this.#restore();
    this.#say(`${texts.composer.failed}: ${why}`);
  }

  /** @param {Mode} mode */
  #tab(mode) {
    const button = h(
      "button",
      { type: "button", role: "tab", class: `composer-tab for-${mode}` },
      texts.composer[mode],
      h("kbd", { "aria-hidden": "true" }, mode === "reply" ? "R" : "N"),
    );
    button.addEventListener("click", () => this.focus(mode));
    button.addEventListener("keydown", (event) => {
      if (!["ArrowLeft", "ArrowRight"].includes(event.key)) return;
      const other = mode === "reply" ? "note" : "reply";
      this.#switch(other);
      this.#tabs[other].focus();
    });
    return button;
  }

  /** @param {Mode} mode */
  #switch(mode) {
    if (mode === this.#mode) return;
    this.#mode = mode;
    if (this.#id && mode === "note") this.#how.typing(this.#id, false);
    this.#restore();
    this.#dress();
  }

  #restore() {
    this.#field.value = this.#id ? this.#texts.get(this.#id, this.#mode) : "";
    this.#fit();
    this.#ready();
  }

  #dress() {
    const words = texts.composer;
    const note = this.#mode === "note";
    this.element.hidden = this.#id === undefined;
    this.element.dataset.mode = this.#mode;
    for (const mode of /** @type {Mode[]} */ (["reply", "note"])) {
      const on = mode === this.#mode;
      attribute(this.#tabs[mode], "aria-selected", String(on));
      attribute(this.#tabs[mode], "tabindex", on ? "0" : "-1");
    }
    say(this.#label, note ? words.noteLabel : words.replyLabel);
    const hint = this.#closed ? words.closedHint : words.replyHint(this.#name);
    this.#field.placeholder = note ? words.noteHint : hint;
    fill(this.#send, icon(note ? "note" : "send"), note ? words.addNote : words.send);
  }

  #typed() {
    const id = this.#id;
    if (!id) return;
    const had = this.#texts.has(id);
    this.#texts.set(id, this.#mode, this.#field.value);
    if (had !== this.#texts.has(id)) this.#how.drafted(id);
    if (this.#mode === "reply") this.#how.typing(id, this.#field.value !== "");
    this.#say("");
    this.#fit();
    this.#ready();
  }

  #ready() {
    this.#send.disabled = this.#busy || this.#field.value.trim() === "";
  }

  #fit() {
    if (CSS.supports("field-sizing", "content")) return;
    this.#field.style.blockSize = "auto";
    this.#field.style.blockSize = `${Math.min(this.#field.scrollHeight, MAX_HEIGHT)}px`;
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    // While a word is being composed, Enter belongs to the input method.
    if (event.isComposing) return;
    if (event.key === "Enter" && !event.shiftKey && !event.altKey) {
      event.preventDefault();
      void this.#submit();
    } else if (event.key === "Escape") {
      event.stopPropagation();
      this.#how.leave();
    } else if (event.key === "/" && this.#field.value === "") {
      event.preventDefault();
      this.#how.canned();
    }
  }

  async #submit() {
    const [id, mode, text] = [this.#id, this.#mode, this.#field.value];
    if (!id || text.trim() === "" || this.#busy) return;
    this.#busy = true;
    this.#ready();
    this.#say("");
    if (mode === "reply") this.#how.typing(id, false);
    try {
      await this.#how.send(id, mode, text);
      // What was typed meanwhile stays.
      if (this.#texts.get(id, mode) === text) this.#texts.set(id, mode, "");
      if (id === this.#id && mode === this.#mode && this.#field.value === text) this.#restore();
      this.#how.drafted(id);
    } catch (thrown) {
      const why = thrown instanceof Error ? thrown.message : String(thrown);
      if (id === this.#id) this.#say(`${texts.composer.failed}: ${why}`);
    }
    this.#busy = false;
    this.#ready();
  }

  /** @param {string} sentence */
  #say(sentence) {
    this.#problem.hidden = sentence === "";
    say(this.#problem, sentence);
  }
}
