/** @file A conversation on the page: what was said, and below it what is still being sent. */

/** @import {Draft, Message, ParlorError, Receipt} from "../client/parlor.js" */

import { find, make } from "./find.js";

/** How close to its end a log must be to follow what is added, in pixels. */
const NEAR = 80;

/** Texts are set as text and never as markup. */
export class MessageLog {
  #scroll;
  #live;
  #messages;
  #pending;
  #empty;
  #older;
  #own;
  /** Drafts that are shown as being sent, by client message id. @type {Map<string, HTMLElement>} */
  #drafts = new Map();
  /**
   * Which of the shown messages are there, by id: an answer may come before or after its message.
   */
  #shown = new Set();

  /**
   * @param {HTMLElement} within the panel
   * @param {Message["sender"]} own whose messages stand on the writer's side
   */
  constructor(within, own) {
    this.#scroll = find(within, ".scroll");
    this.#live = find(within, '[role="log"]');
    this.#messages = find(within, ".messages");
    this.#pending = find(within, ".pending");
    this.#empty = find(within, ".scroll .empty");
    this.#older = /** @type {HTMLButtonElement} */ (find(within, ".older"));
    this.#own = own;
  }

  /**
   * Offers older messages while there are some.
   *
   * @param {() => boolean} more
   * @param {() => Promise<Message[]>} load
   */
  offerOlder(more, load) {
    this.#older.hidden = !more();
    this.#older.onclick = async () => {
      this.#older.disabled = true;
      try {
        this.#prepend(await load());
      } catch {
        // The button stays, so that it can be pressed again.
      } finally {
        this.#older.disabled = false;
        this.#older.hidden = !more();
      }
    };
  }

  /**
   * Empties the log. While `busy`, a screen reader does not read out what is added.
   *
   * @param {boolean} busy
   */
  clear(busy) {
    this.#messages.replaceChildren();
    this.#pending.replaceChildren();
    this.#drafts.clear();
    this.#shown.clear();
    this.#older.hidden = true;
    this.quiet(busy);
    this.#refresh();
  }

  /** @param {boolean} busy */
  quiet(busy) {
    this.#live.setAttribute("aria-busy", String(busy));
  }

  /** @param {Message} message @param {"history" | "stream"} source */
  add(message, source) {
    this.#following(() => {
      this.#shown.add(message.id);
      this.#messages.insertBefore(
        this.#item(message),
        source === "history" ? this.#laterThan(message) : null,
      );
      if (message.clientMessageId) this.#forget(message.clientMessageId);
    });
  }

  /** Shows a draft as being sent. @param {Draft} draft */
  sending({ clientMessageId, text }) {
    this.#following(() => {
      const item = make("li", "own");
      item.append(textOf(text), make("div", "byline", "Waiting to be sent"));
      this.#drafts.set(clientMessageId, item);
      this.#pending.append(item);
    }, true);
  }

  /** @param {Receipt} receipt */
  accepted({ clientMessageId, id }) {
    if (this.#shown.has(id)) {
      this.#forget(clientMessageId);
    } else {
      const byline = this.#drafts.get(clientMessageId)?.querySelector(".byline");
      if (byline) byline.textContent = "Sent";
    }
    this.#refresh();
  }

  /**
   * @param {Draft} draft
   * @param {ParlorError} error
   * @param {(text: string) => void} again
   */
  failed(draft, error, again) {
    if (!this.#drafts.has(draft.clientMessageId)) this.sending(draft);
    const item = this.#drafts.get(draft.clientMessageId);
    if (!item) return;
    item.classList.add("failed");
    find(item, ".byline").textContent = `Not sent: ${error.message}`;
    const button = make("button", "", "Send again");
    button.type = "button";
    button.onclick = () => {
      this.#forget(draft.clientMessageId);
      again(draft.text);
    };
    item.append(button);
  }

  /**
   * The first of those that were shown before a message which history brought late.
   *
   * @param {Message} message
   */
  #laterThan({ timestamp }) {
    let later = null;
    for (let item = this.#messages.lastElementChild; item; item = item.previousElementSibling) {
      if ((item.querySelector("time")?.dateTime ?? "") <= timestamp) break;
      later = item;
    }
    return later;
  }

  /** @param {Message[]} messages oldest first */
  #prepend(messages) {
    const below = this.#scroll.scrollHeight - this.#scroll.scrollTop;
    for (const { id } of messages) this.#shown.add(id);
    this.#messages.prepend(...messages.map((message) => this.#item(message)));
    this.#scroll.scrollTop = this.#scroll.scrollHeight - below;
    this.#refresh();
  }

  /** @param {Message} message */
  #item({ id, sender, author, text, timestamp }) {
    const item = make("li", sender === this.#own ? "own" : "");
    item.dataset.id = id;
    const byline = make("div", "byline", `${nameOf(sender, author?.name)}, `);
    const time = document.createElement("time");
    time.dateTime = timestamp;
    time.textContent = new Date(timestamp).toLocaleTimeString([], {
      hour: "2-digit",
      minute: "2-digit",
    });
    byline.append(time);
    item.append(textOf(text), byline);
    return item;
  }

  /** @param {string} clientMessageId */
  #forget(clientMessageId) {
    this.#drafts.get(clientMessageId)?.remove();
    this.#drafts.delete(clientMessageId);
  }

  /**
   * Changes the log and scrolls to its end, unless someone is reading further up.
   *
   * @param {() => void} change
   * @param {boolean} [always]
   */
  #following(change, always = false) {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroll;
    const follow = always || scrollHeight - scrollTop - clientHeight < NEAR;
    change();
    this.#refresh();
    if (follow) this.#scroll.scrollTop = this.#scroll.scrollHeight;
  }

  #refresh() {
    this.#empty.hidden = this.#messages.childElementCount + this.#pending.childElementCount > 0;
  }
}

/** @param {string} text */
function textOf(text) {
  const element = make("div", "text", text);
  // The direction of writing is that of each text, and not that of the page.
  element.dir = "auto";
  return element;
}

/**
 * @param {Message["sender"]} sender
 * @param {string | undefined} name
 */
function nameOf(sender, name) {
  return name ?? { user: "Visitor", agent: "Agent", bot: "Bot" }[sender];
}
