/** @file One row of the list of conversations. */

/** @import {State} from "./types.js" */

import { texts } from "../ui/texts/dashboard.en.js";
import { attribute, fill, h, say } from "./dom.js";
import { icon } from "./icons.js";
import { avatar, dressAvatar, labelMark, nameOf } from "./people.js";
import { statusOf } from "./state.js";
import { full, short, upcoming } from "./times.js";

/** In pixels; the style sheet has the same number. */
export const ROW_HEIGHT = 88;
/** How many labels a row has room for. */
const MAX_LABELS = 2;
/** What is kept of a text: a row shows two lines. */
const MAX_PREVIEW = 160;

export class Row {
  element;
  #avatar = avatar("", "");
  #presence = h("span", { class: "presence", hidden: true });
  #name = h("span", { class: "row-name", dir: "auto" });
  #time = h("time", { class: "row-time" });
  #preview = h("span", { class: "row-preview", dir: "auto" });
  #dot = h("span", { class: "dot", hidden: true });
  #dotWord = h("span", { class: "unseen" }, texts.list.unread);
  #marks = h("span", { class: "row-marks" });

  /** @param {string} id @param {string} elementId */
  constructor(id, elementId) {
    this.id = id;
    this.#dot.append(this.#dotWord);
    this.element = h(
      "div",
      { class: "row", role: "option", id: elementId, "data-id": id },
      h("span", { class: "row-face" }, this.#avatar, this.#presence),
      h("span", { class: "row-top" }, this.#name, this.#time),
      h("span", { class: "row-middle" }, this.#preview, this.#dot),
      this.#marks,
    );
  }

  /** @param {number} at @param {number} size of the set, -1 while it is not known */
  place(at, size) {
    this.element.style.transform = `translateY(${at * ROW_HEIGHT}px)`;
    attribute(this.element, "aria-posinset", String(at + 1));
    attribute(this.element, "aria-setsize", String(size));
  }

  /**
   * @param {State} state
   * @param {{now: number, me: string, chosen: boolean, left: boolean, online: boolean, draft:
   *   string, agent: (id: string) => string}} how
   */
  show(state, { now, me, chosen, left, online, draft, agent }) {
    const name = nameOf(state);
    dressAvatar(this.#avatar, state.visitor?.id ?? state.id, name);
    say(this.#name, name);
    say(this.#time, state.lastActivity ? short(state.lastActivity, now) : "");
    attribute(this.#time, "datetime", state.lastActivity);
    attribute(this.#time, "title", state.lastActivity ? full(state.lastActivity) : null);
    this.#presence.hidden = !online;
    this.#said(state, draft);
    this.#dot.hidden = !state.unread;
    this.element.classList.toggle("is-unread", state.unread);
    this.element.classList.toggle("has-left", left);
    attribute(this.element, "aria-selected", String(chosen));
    this.#mark(state, me, now, agent);
  }

  /** @param {State} state @param {string} draft */
  #said({ lastMessage }, draft) {
    const said = draft || (lastMessage?.text ?? texts.list.noMessage);
    const text = said.slice(0, MAX_PREVIEW).replace(/\s+/gu, " ");
    const lead = draft
      ? h("span", { class: "row-draft" }, `${texts.list.draft} `)
      : lastMessage && lastMessage.sender !== "user"
        ? h("span", { class: "row-sent" }, "↩ ")
        : null;
    fill(this.#preview, lead, text);
  }

  /**
   * @param {State} state
   * @param {string} me
   * @param {number} now
   * @param {(id: string) => string} agent what an agent is called
   */
  #mark(state, me, now, agent) {
    const { labels, assignee, rating, until } = state;
    const status = statusOf(state, now);
    const marks = labels.slice(0, MAX_LABELS).map((label) => labelMark(label));
    const more = labels.length - marks.length;
    fill(
      this.#marks,
      ...marks,
      more > 0 && h("span", { class: "label more" }, `+${more}`),
      status === "snoozed" &&
        until &&
        h("span", { class: "row-hint" }, icon("snoozed"), upcoming(until, now)),
      rating !== null && h("span", { class: "row-hint" }, icon("star"), String(rating)),
      h("span", { class: "row-gap" }),
      assignee !== null &&
        h(
          "span",
          { class: `row-assignee${assignee === me ? " is-me" : ""}` },
          avatar(assignee, agent(assignee), "small"),
          assignee === me ? texts.list.you : agent(assignee),
        ),
    );
    this.#marks.hidden =
      labels.length === 0 && !assignee && rating === null && status !== "snoozed";
  }
}
