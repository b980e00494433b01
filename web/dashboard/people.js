/** @file What people are called, and their avatars. */

/** @import {State, Visitor} from "./types.js" */

import { texts } from "../ui/texts/dashboard.en.js";
import { h } from "./dom.js";

const HUES = 8;

/** A small hash, the same in every browser. @param {string} text */
function hash(text) {
  let value = 2166136261;
  for (let at = 0; at < text.length; at += 1) {
    value = Math.imul(value ^ text.charCodeAt(at), 16777619);
  }
  // The last steps mix the high bits into the low ones, which are all that is used.
  value ^= value >>> 15;
  value = Math.imul(value, 2246822507);
  value ^= value >>> 13;
  value = Math.imul(value, 3266489909);
  return (value ^ (value >>> 16)) >>> 0;
}

/**
 * A visitor's name: the one that was given, the e-mail, or a pair of words made from the id.
 *
 * @param {Visitor | null | undefined} visitor
 * @param {string} otherwise an id
 */
export function visitorName(visitor, otherwise) {
  if (visitor?.name) return visitor.name;
  if (visitor?.email) return visitor.email;
  const value = hash(visitor?.id ?? otherwise);
  const { first, second } = texts.strangers;
  return `${first[value % first.length]} ${second[(value >>> 8) % second.length]}`;
}

/** @param {State} state */
export function nameOf(state) {
  return visitorName(state.visitor, state.id);
}

/** Up to two letters. Whole characters are taken, so that no emoji is cut in half.
 * @param {string} name */
export function initials(name) {
  const words = name.split(/[\s@._-]+/u).filter((word) => /[\p{L}\p{N}]/u.test(word));
  const letters = words.map((word) => [...word].find((c) => /[\p{L}\p{N}]/u.test(c)) ?? "");
  return ((letters[0] ?? "?") + (letters[1] ?? "")).toLocaleUpperCase();
}

/**
 * A round picture of initials; its colour belongs to the id and stays.
 *
 * @param {string} id
 * @param {string} name
 * @param {"small" | "large" | ""} [size]
 */
export function avatar(id, name, size = "") {
  const element = h("span", { class: `avatar ${size}`, "aria-hidden": "true" });
  dressAvatar(element, id, name);
  return element;
}

/** @param {HTMLElement} element @param {string} id @param {string} name */
export function dressAvatar(element, id, name) {
  element.dataset.hue = String(hash(id) % HUES);
  element.textContent = initials(name);
}

/** The colour of a label. @param {string} label */
export function hueOf(label) {
  return String(hash(label) % HUES);
}

/** A label as a small mark. @param {string} label @param {...Node} more */
export function labelMark(label, ...more) {
  return h("span", { class: "label", "data-hue": hueOf(label) }, h("span", {}, label), ...more);
}
