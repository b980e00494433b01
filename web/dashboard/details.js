/** @file What is known of the visitor and the conversation, and what can be changed of both. */

/** @import {Desk} from "./desk.js" @import {ProfilePatch, State} from "./types.js" */

import { texts } from "../ui/texts/dashboard.en.js";
import { attribute, fill, freshId, h, say } from "./dom.js";
import { stars } from "./entries.js";
import { icon } from "./icons.js";
import { avatar, labelMark, nameOf } from "./people.js";
import { statusOf } from "./state.js";
import { upcoming } from "./times.js";

/**
 * @typedef {object} Actions
 * @property {() => void} assign
 * @property {() => void} team
 * @property {() => void} label
 * @property {(label: string) => void} unlabel
 * @property {() => void} snooze
 * @property {() => void} close closes or reopens
 * @property {(id: string, patch: ProfilePatch) => Promise<void>} profile
 * @property {() => void} hide
 */

export class Details {
  #desk;
  #actions;
  /** @type {string | undefined} */
  #id;
  #online = /** @type {boolean | undefined} */ (undefined);

  element = h("aside", { class: "details", "aria-label": texts.details.title });
  #face = h("div", { class: "details-face" });
  #name;
  #email;
  #where = h("p", { class: "details-online" });
  #marks = h("div", { class: "details-labels" });
  #status = h("button", { type: "button", class: "field-button" });
  #assignee = h("button", { type: "button", class: "field-button" });
  #team = h("button", { type: "button", class: "field-button" });
  #more = h("dl", { class: "facts" });
  #rating = h("div", { class: "details-rating", hidden: true });
  #aboutTitle = h("h3", { class: "details-title" }, texts.details.about);

  /** @param {Desk} desk @param {Actions} actions */
  constructor(desk, actions) {
    this.#desk = desk;
    this.#actions = actions;
    const words = texts.details;
    this.#name = this.#field("name", words.name);
    this.#email = this.#field("email", words.email);
    this.#status.addEventListener("click", () => actions.close());
    this.#assignee.addEventListener("click", () => actions.assign());
    this.#team.addEventListener("click", () => actions.team());
    const hide = h(
      "button",
      { type: "button", class: "icon-button details-hide", "aria-label": words.close },
      icon("close"),
    );
    hide.addEventListener("click", () => actions.hide());
    const snooze = h(
      "button",
      {
        type: "button",
        class: "icon-button",
        "aria-label": texts.actions.snooze,
        title: `${texts.actions.snooze}  Z`,
      },
      icon("snoozed"),
    );
    snooze.addEventListener("click", () => actions.snooze());
    this.element.append(
      h("h2", { class: "unseen" }, words.title),
      hide,
      h(
        "header",
        { class: "details-head" },
        this.#face,
        h("div", { class: "details-who" }, this.#name.element, this.#email.element, this.#where),
      ),
      h("h3", { class: "details-title" }, words.conversation),
      line(words.status, h("span", { class: "field-pair" }, this.#status, snooze)),
      line(words.assignee, this.#assignee),
      line(words.team, this.#team),
      line(words.labels, this.#marks),
      this.#rating,
      this.#aboutTitle,
      this.#more,
    );
    desk.on("states", (ids) => {
      if (this.#id && ids.has(this.#id)) this.#draw();
    });
    desk.api.on("named", () => this.#draw());
    desk.on("signal", (signal) => {
      if (signal.type !== "visitor" || signal.conversationId !== this.#id) return;
      this.#online = signal.online;
      this.#draw();
    });
  }

  /** @param {string | undefined} id @param {boolean | undefined} online */
  open(id, online) {
    if (id !== this.#id) {
      // What is being edited belongs to the one that was open.
      this.#name.reset();
      this.#email.reset();
    }
    this.#id = id;
    this.#online = online;
    this.#draw();
  }

  #draw() {
    const state = this.#id ? this.#desk.state(this.#id) : undefined;
    this.element.hidden = !state;
    if (!state) return;
    const words = texts.details;
    const now = this.#desk.now();
    const name = nameOf(state);
    fill(this.#face, avatar(state.visitor?.id ?? state.id, name, "large"));
    this.#name.show(state.visitor?.name ?? "", name);
    this.#email.show(state.visitor?.email ?? "", "");
    this.#where.hidden = this.#online === undefined;
    this.#where.classList.toggle("is-online", this.#online === true);
    say(this.#where, this.#online ? words.online : words.offline);
    const status = statusOf(state, now);
    const until =
      status === "snoozed" && state.until ? ` ${words.until(upcoming(state.until, now))}` : "";
    fill(
      this.#status,
      h("span", { class: `status-dot is-${status}` }),
      h("span", {}, texts.status[status] + until),
    );
    attribute(
      this.#status,
      "title",
      `${status === "closed" ? texts.actions.reopen : texts.actions.close}  E`,
    );
    this.#showAssignee(state);
    fill(
      this.#team,
      icon("team"),
      h("span", { dir: "auto", class: state.team ? "" : "is-none" }, state.team ?? words.noTeam),
    );
    this.#showLabels(state);
    this.#showRating(state);
    this.#showMore(state);
  }

  /** @param {State} state */
  #showAssignee({ assignee }) {
    const { me } = this.#desk;
    const own = assignee === me.id;
    const called = assignee ? this.#desk.api.nameOf(assignee) : texts.details.nobody;
    const mark = assignee ? avatar(assignee, called, "small") : icon("mine");
    const name = own ? `${texts.list.you} (${me.name})` : called;
    fill(this.#assignee, mark, h("span", { dir: "auto", class: assignee ? "" : "is-none" }, name));
  }

  /** @param {State} state */
  #showLabels({ labels }) {
    const marks = labels.map((label) => {
      const remove = h(
        "button",
        { type: "button", class: "label-remove", "aria-label": texts.details.removeLabel(label) },
        icon("close"),
      );
      remove.addEventListener("click", () => this.#actions.unlabel(label));
      return labelMark(label, remove);
    });
    const add = h(
      "button",
      { type: "button", class: "label add", title: `${texts.actions.label}  L` },
      icon("plus"),
      texts.details.addLabel,
    );
    add.addEventListener("click", () => this.#actions.label());
    fill(this.#marks, ...marks, add);
  }

  /** @param {State} state */
  #showRating({ rating }) {
    this.#rating.hidden = rating === null;
    if (rating === null) return;
    const picture = h(
      "span",
      { class: "stars", role: "img", "aria-label": texts.details.stars(rating) },
      ...stars(rating),
    );
    fill(this.#rating, line(texts.details.rating, picture));
  }

  /** @param {State} state */
  #showMore({ visitor, read }) {
    /** @type {[string, string][]} */
    const facts = [];
    if (visitor?.locale) facts.push([texts.details.locale, localeName(visitor.locale)]);
    for (const [key, value] of Object.entries(visitor?.attributes ?? {}))
      facts.push([key, String(value)]);
    const readers = Object.keys(read.agents).map((id) =>
      id === this.#desk.me.id ? texts.list.you : this.#desk.api.nameOf(id),
    );
    if (readers.length > 0) facts.push([texts.details.readBy, readers.join(", ")]);
    this.#aboutTitle.hidden = facts.length === 0;
    fill(
      this.#more,
      ...facts.map(([key, value]) =>
        h("div", {}, h("dt", { dir: "auto" }, key), h("dd", { dir: "auto" }, value)),
      ),
    );
  }

  /**
   * A field that is a text until it is used.
   *
   * @param {"name" | "email"} key
   * @param {string} label
   */
  #field(key, label) {
    const inputId = freshId("field");
    const input = h("input", {
      id: inputId,
      class: `quiet-field for-${key}`,
      type: key === "email" ? "email" : "text",
      autocomplete: "off",
      spellcheck: "false",
      dir: "auto",
      maxlength: key === "email" ? "254" : "200",
    });
    let kept = "";
    const save = async () => {
      const value = input.value.trim();
      // A change is told before another conversation is shown, so that it is this one's.
      const id = this.#id;
      if (value === kept || !id) return;
      const before = kept;
      kept = value;
      try {
        await this.#actions.profile(id, { [key]: value === "" ? null : value });
      } catch {
        kept = before;
        input.value = before;
      }
    };
    input.addEventListener("change", () => void save());
    input.addEventListener("keydown", (event) => {
      if (event.isComposing) return;
      if (event.key === "Enter") input.blur();
      if (event.key === "Escape") {
        event.stopPropagation();
        input.value = kept;
        input.blur();
      }
    });
    return {
      element: h(
        "div",
        { class: "quiet-line" },
        h("label", { class: "unseen", for: inputId }, label),
        input,
      ),
      /** @param {string} value @param {string} hint */
      show: (value, hint) => {
        input.placeholder = hint || `${texts.details.add}: ${label}`;
        if (document.activeElement === input) return;
        kept = value;
        if (input.value !== value) input.value = value;
      },
      reset: () => {
        if (document.activeElement === input) input.blur();
      },
    };
  }
}

/** @param {string} name @param {Element} what */
function line(name, what) {
  return h("div", { class: "details-line" }, h("span", { class: "details-key" }, name), what);
}

/** @param {string} locale */
function localeName(locale) {
  try {
    return new Intl.DisplayNames(undefined, { type: "language" }).of(locale) ?? locale;
  } catch {
    return locale;
  }
}
