/** @file The entries of a timeline as elements: messages, notes, changes, ratings. */

/** @import {Change, Me, Message, Note, Rating, State} from "./types.js" */

import { texts } from "../ui/texts/dashboard.en.js";
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { avatar, nameOf } from "./people.js";
import { full, hour, upcoming } from "./times.js";

const LINK = /https?:\/\/[^\s<>"'`]+/giu;
/** What ends a sentence is seldom part of an address. */
const TRAILING = /[.,;:!?)\]}…]+$/u;

/**
 * A text with its web addresses as links. Only http and https become links, and what is shown is
 * what was written.
 *
 * @param {string} text
 */
export function rich(text) {
  const parts = [];
  let at = 0;
  for (const match of text.matchAll(LINK)) {
    const address = match[0].replace(TRAILING, "");
    if (!URL.canParse(address)) continue;
    parts.push(text.slice(at, match.index));
    parts.push(
      h("a", { href: address, target: "_blank", rel: "noopener noreferrer nofollow" }, address),
    );
    at = match.index + address.length;
  }
  parts.push(text.slice(at));
  return parts;
}

/**
 * @typedef {{state: State | undefined, me: Me, now: number, agent: (id: string) => string}} Context
 */

/** @param {Message} message @param {Context} context */
export function messageEntry({ text, sender, author, timestamp, id }, { state, me }) {
  const visitor = sender === "user";
  const name = visitor
    ? state
      ? nameOf(state)
      : texts.details.visitor
    : author?.id === me.id
      ? texts.list.you
      : (author?.name ?? author?.id ?? "");
  const face = author?.id ?? state?.visitor?.id ?? id;
  return h(
    "article",
    { class: `entry bubble-entry ${visitor ? "from-visitor" : "from-team"} by-${sender}` },
    avatar(visitor ? (state?.visitor?.id ?? face) : face, visitor ? name : (author?.name ?? face)),
    h(
      "div",
      { class: "bubble-box" },
      h(
        "header",
        { class: "bubble-head" },
        h("span", { class: "bubble-name", dir: "auto" }, name),
        time(timestamp),
      ),
      h("p", { class: "bubble text", dir: "auto" }, ...rich(text)),
    ),
  );
}

/** @param {Note} note @param {Context} context */
export function noteEntry({ text, author, timestamp }, { me }) {
  const name = author.id === me.id ? texts.list.you : (author.name ?? author.id);
  return h(
    "article",
    { class: "entry note-entry" },
    avatar(author.id, author.name ?? author.id),
    h(
      "div",
      { class: "bubble-box" },
      h(
        "header",
        { class: "bubble-head" },
        icon("note"),
        h("span", { class: "bubble-name", dir: "auto" }, name),
        h("span", { class: "note-word" }, texts.thread.note),
        time(timestamp),
      ),
      h("p", { class: "bubble note text", dir: "auto" }, ...rich(text)),
    ),
  );
}

/** @param {Change} change @param {Context} context */
export function changeEntry(change, { me, now, agent }) {
  const { author, by, timestamp } = change;
  const who =
    by === "user"
      ? texts.change.visitor
      : author?.id === me.id
        ? texts.change.you
        : (author?.name ?? author?.id ?? "");
  const what = saidOf(change, me, now, agent).join(", ");
  return h(
    "p",
    { class: "entry line-entry" },
    icon(iconOf(change)),
    h("span", { dir: "auto" }, h("b", {}, who), ` ${what}`),
    time(timestamp),
  );
}

/**
 * @param {Change} change
 * @param {Me} me
 * @param {number} now
 * @param {(id: string) => string} agent what an agent is called
 */
function saidOf({ status, until, assignee, team, labels, author }, me, now, agent) {
  const words = texts.change;
  const said = [];
  if (status === "open") said.push(words.open);
  if (status === "closed") said.push(words.closed);
  if (status === "snoozed") said.push(words.snoozed(until ? upcoming(until, now) : ""));
  if (assignee === null) said.push(words.unassigned);
  else if (assignee !== undefined) {
    const own = assignee === author?.id;
    said.push(
      own ? words.claimed : words.assigned(assignee === me.id ? texts.list.you : agent(assignee)),
    );
  }
  if (team === null) said.push(words.noTeam);
  else if (team !== undefined) said.push(words.team(team));
  if (labels?.add?.length) said.push(words.labelled(labels.add.join(", ")));
  if (labels?.remove?.length) said.push(words.unlabelled(labels.remove.join(", ")));
  return said;
}

/** @param {Change} change @returns {import("./icons.js").IconName} */
function iconOf({ status, assignee, team }) {
  if (status === "closed") return "closed";
  if (status === "snoozed") return "snoozed";
  if (status === "open") return "reopen";
  if (assignee !== undefined) return "mine";
  return team !== undefined ? "team" : "label";
}

/** @param {Rating} rating */
export function ratingEntry({ score, comment, timestamp }) {
  return h(
    "article",
    { class: "entry rating-entry" },
    h("span", { class: "stars", "aria-hidden": "true" }, ...stars(score)),
    h(
      "span",
      { class: "rating-text" },
      `${texts.change.visitor} ${texts.change.rated(score)}`,
      time(timestamp),
    ),
    comment ? h("q", { class: "text", dir: "auto" }, comment) : null,
  );
}

/** @param {number} score */
export function stars(score) {
  return Array.from({ length: 5 }, (_, at) => {
    const star = icon("star");
    if (at < score) star.classList.add("is-full");
    return star;
  });
}

export function linkedEntry() {
  return h("p", { class: "entry line-entry" }, icon("more"), h("span", {}, texts.change.linked));
}

/** @param {string} timestamp */
function time(timestamp) {
  return h("time", { datetime: timestamp, title: full(timestamp) }, hour(timestamp));
}
