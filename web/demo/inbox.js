/** @file The agent's list of conversations. */

/** @import {InboxConversation, Message} from "../client/parlor.js" */

import { find, make } from "./find.js";

/**
 * @typedef {object} Entry
 * @property {string} id of the conversation
 * @property {string} name of the visitor
 * @property {string} activity ISO 8601
 * @property {string} preview
 * @property {number} unread
 */

/**
 * Its entries come from two sources: pages of the inbox, which may lag behind, and the stream,
 * which does not. The later activity wins, and a page takes nothing away.
 */
export class Inbox {
  #list;
  #empty;
  #choose;
  #isHere;
  /** @type {Map<string, Entry>} */
  #entries = new Map();
  /**
   * The buttons. They are kept so that a change in the order does not take the focus away.
   *
   * @type {Map<string, HTMLElement>}
   */
  #items = new Map();
  /** @type {string | undefined} */
  #chosen;

  /**
   * @param {HTMLElement} panel
   * @param {(conversationId: string) => void} choose
   * @param {(conversationId: string) => boolean} isHere whether it is the conversation beside this
   *   panel
   */
  constructor(panel, choose, isHere) {
    this.#list = find(panel, ".inbox");
    this.#empty = find(panel, "nav .empty");
    this.#choose = choose;
    this.#isHere = isHere;
  }

  /** The conversation that was active last. */
  get first() {
    return this.#sorted()[0]?.id;
  }

  /** @param {InboxConversation[]} conversations */
  load(conversations) {
    for (const { id, lastMessage, lastActivity: activity, visitor } of conversations) {
      // One with notes alone has nothing to show here.
      if (!lastMessage || activity === null) continue;
      const before = this.#entries.get(id);
      if (before && before.activity >= activity) continue;
      const name = visitor?.name ?? nameOf(visitor?.id ?? id);
      this.#entries.set(id, {
        id,
        name,
        activity,
        preview: lastMessage.text,
        unread: before?.unread ?? 0,
      });
    }
    this.#show();
  }

  /** @param {Message} message of the stream, or older, of a conversation that was just opened */
  note({ conversationId: id, timestamp, text, sender, author }) {
    const before = this.#entries.get(id);
    if (before && before.activity > timestamp) return;
    const name = before?.name ?? nameOf(sender === "user" && author ? author.id : id);
    const unread = id === this.#chosen || sender !== "user" ? 0 : (before?.unread ?? 0) + 1;
    this.#entries.set(id, { id, name, activity: timestamp, preview: text, unread });
    this.#show();
  }

  /**
   * Marks a conversation as the chosen one.
   *
   * @param {string} id
   * @returns {string} the visitor's name
   */
  choose(id) {
    this.#chosen = id;
    const entry = this.#entries.get(id);
    if (entry) this.#entries.set(id, { ...entry, unread: 0 });
    this.#show();
    return entry?.name ?? nameOf(id);
  }

  #sorted() {
    return [...this.#entries.values()].sort((a, b) => (a.activity < b.activity ? 1 : -1));
  }

  #show() {
    this.#empty.hidden = this.#entries.size > 0;
    this.#sorted().forEach((entry, place) => {
      const item = this.#items.get(entry.id) ?? this.#add(entry.id);
      const button = find(item, "button");
      button.setAttribute("aria-current", String(entry.id === this.#chosen));
      const here = this.#isHere(entry.id) ? [make("small", "", " (on this page)")] : [];
      find(button, ".name").replaceChildren(entry.name, ...here);
      find(button, ".unread").textContent = entry.unread > 0 ? `${entry.unread} new` : "";
      find(button, ".preview").textContent = entry.preview;
      if (this.#list.children[place] !== item) {
        this.#list.insertBefore(item, this.#list.children[place] ?? null);
      }
    });
  }

  /** @param {string} id */
  #add(id) {
    const item = document.createElement("li");
    item.dataset.conversation = id;
    const button = make("button", "");
    button.type = "button";
    button.onclick = () => this.#choose(id);
    const preview = make("span", "preview");
    preview.dir = "auto";
    button.append(make("span", "name"), make("span", "unread"), preview);
    item.append(button);
    this.#items.set(id, item);
    return item;
  }
}

/** Visitors are anonymous; the end of an id tells them apart. @param {string} id */
function nameOf(id) {
  return `Visitor ${id.slice(-4)}`;
}
