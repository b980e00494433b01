/** @file The list of what was said: bubbles, days, and how far the last one got. */

/** @import {Conversation, Line} from "./conversation.js" */
/** @import {Language} from "./texts.js" */

import { find, make, say } from "./find.js";
import { richText } from "./rich-text.js";

/** How close to its end the list must be to follow what is added, in pixels. */
const NEAR = 80;
/** What one author says within this time stands together. */
const TOGETHER_MS = 5 * 60_000;

/**
 * An element of the list, by what it stands for; it is made once and then brought up to date.
 *
 * @typedef {{key: string, make: () => HTMLElement, update: (item: HTMLElement) => void}} Entry
 */

export class Thread {
  #scroll = find("scroll");
  #log = find("log");
  #list = find("messages");
  #newer = find("newer");
  #older = /** @type {HTMLButtonElement} */ (find("older"));
  #conversation;
  /** @type {Language} */
  #language;
  /** @type {Map<string, HTMLElement>} */
  #items = new Map();
  #last = "";
  #follow = true;

  /** @param {Conversation} conversation @param {Language} language */
  constructor(conversation, language) {
    this.#conversation = conversation;
    this.#language = language;
    this.#newer.addEventListener("click", () => this.toEnd());
    this.#older.addEventListener("click", () => void this.#loadOlder());
    this.#scroll.addEventListener("scroll", () => {
      this.#follow = this.#atEnd;
      if (this.#follow) this.#newer.hidden = true;
    });
    // What takes room below, as a form or a keyboard, must not hide the end.
    new ResizeObserver(() => {
      if (this.#follow) this.toEnd();
    }).observe(this.#scroll);
  }

  /** @param {Language} language */
  speak(language) {
    this.#language = language;
    const { texts } = language;
    this.#log.ariaLabel = texts.log;
    this.#newer.textContent = texts.newer;
    this.#older.textContent = texts.older;
    this.#list.replaceChildren();
    this.#items.clear();
    this.show();
  }

  show() {
    const { lines, loaded, hasOlder } = this.#conversation;
    const last = lines.at(-1);
    this.#log.ariaBusy = String(!loaded);
    this.#older.hidden = !(loaded && hasOlder);
    this.#reconcile(this.#entries(lines));
    const isNew = last !== undefined && last.key !== this.#last;
    this.#last = last?.key ?? "";
    if (this.#follow || (isNew && last.own)) this.toEnd();
    else if (isNew) this.#newer.hidden = false;
  }

  toEnd() {
    this.#follow = true;
    this.#newer.hidden = true;
    this.#scroll.scrollTop = this.#scroll.scrollHeight;
  }

  get #atEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroll;
    return scrollHeight - scrollTop - clientHeight < NEAR;
  }

  async #loadOlder() {
    this.#older.disabled = true;
    this.#follow = false;
    const below = this.#scroll.scrollHeight - this.#scroll.scrollTop;
    try {
      await this.#conversation.older();
      this.#scroll.scrollTop = this.#scroll.scrollHeight - below;
    } catch {
      // The button stays, so that it can be pressed again.
    } finally {
      this.#older.disabled = false;
    }
  }

  /** @param {Line[]} lines @returns {Entry[]} */
  #entries(lines) {
    /** @type {Entry[]} */
    const entries = [];
    let day = "";
    lines.forEach((line, index) => {
      const date = new Date(line.at);
      if (date.toDateString() !== day) {
        day = date.toDateString();
        entries.push(this.#day(date));
      }
      const isFollowed = together(line, lines[index + 1]);
      // The receipt below the last own one tells its time.
      const timed = !isFollowed && !(line.own && index === lines.length - 1);
      entries.push(this.#bubble(line, together(lines[index - 1], line), isFollowed, timed));
      if (line.state === "failed") entries.push(this.#failure(line));
    });
    const last = lines.at(-1);
    if (last?.own && last.state !== "failed") entries.push(this.#receipt(last, lines.length - 1));
    if (this.#conversation.status === "closed" && lines.length > 0) entries.push(this.#end());
    return entries;
  }

  /** @param {Date} date @returns {Entry} */
  #day(date) {
    return {
      key: `day ${date.toDateString()}`,
      make: () => make("li", "day"),
      update: (item) => say(item, dayOf(date, this.#language.locale)),
    };
  }

  /**
   * @param {Line} line
   * @param {boolean} goesOn it stands with the one before
   * @param {boolean} isFollowed the next one stands with it
   * @param {boolean} timed its time is shown
   * @returns {Entry}
   */
  #bubble(line, goesOn, isFollowed, timed) {
    const { texts, locale } = this.#language;
    const name = line.own ? texts.you : line.name || texts.agent;
    return {
      key: line.key,
      make: () => {
        const item = make("li", "line");
        const author = make("span", "author", name);
        const bubble = make("div", "bubble");
        bubble.dir = "auto";
        bubble.append(...richText(line.text));
        item.append(author, bubble, make("time", "at"));
        return item;
      },
      update: (item) => {
        item.classList.toggle("own", line.own);
        item.classList.toggle("goes-on", goesOn);
        item.classList.toggle("is-followed", isFollowed);
        item.classList.toggle("waiting", line.state === "waiting");
        item.classList.toggle("failed", line.state === "failed");
        // One's own name is for those who do not see on which side it stands.
        item.firstElementChild?.classList.toggle("unseen", line.own || goesOn);
        const time = /** @type {HTMLTimeElement} */ (item.lastElementChild);
        time.dateTime = line.at;
        time.classList.toggle("unseen", !timed);
        say(time, timeOf(new Date(line.at), locale));
      },
    };
  }

  /** @param {Line} line @returns {Entry} */
  #failure({ key, error }) {
    const { texts } = this.#language;
    return {
      key: `failed ${key}`,
      make: () => {
        const item = make("li", "receipt bad");
        const again = make("button", "quiet", texts.again);
        again.type = "button";
        again.addEventListener("click", () => this.#conversation.again(key));
        item.append(
          make("span", "", error?.code === "too_long" ? texts.tooLong : texts.failed),
          again,
        );
        return item;
      },
      update: () => {},
    };
  }

  /** @param {Line} line @param {number} index @returns {Entry} */
  #receipt({ state, at }, index) {
    const { texts, locale } = this.#language;
    const { seen, state: connection } = this.#conversation;
    const waiting = connection === "online" ? texts.sending : texts.waiting;
    const far = seen >= index ? texts.seen : texts.sent;
    const said = `${timeOf(new Date(at), locale)} · ${far}`;
    return {
      key: "receipt",
      make: () => make("li", "receipt"),
      update: (item) => say(item, state === "waiting" ? waiting : said),
    };
  }

  /** @returns {Entry} */
  #end() {
    return {
      key: "end",
      make: () => make("li", "day end", this.#language.texts.ended),
      update: () => {},
    };
  }

  /** Brings the list to what it should be; what stays is not touched. @param {Entry[]} entries */
  #reconcile(entries) {
    const wanted = new Set(entries.map(({ key }) => key));
    for (const [key, item] of this.#items) {
      if (wanted.has(key)) continue;
      item.remove();
      this.#items.delete(key);
    }
    /** @type {Element | null} */
    let at = this.#list.firstElementChild;
    for (const { key, make: made, update } of entries) {
      const item = this.#items.get(key) ?? made();
      this.#items.set(key, item);
      update(item);
      if (item === at) at = at.nextElementSibling;
      else this.#list.insertBefore(item, at);
    }
  }
}

/** @param {Line | undefined} one @param {Line | undefined} other */
function together(one, other) {
  return (
    one !== undefined &&
    other !== undefined &&
    one.own === other.own &&
    one.name === other.name &&
    one.state !== "failed" &&
    Date.parse(other.at) - Date.parse(one.at) < TOGETHER_MS &&
    new Date(one.at).toDateString() === new Date(other.at).toDateString()
  );
}

/** @param {Date} date @param {string} locale */
function timeOf(date, locale) {
  return date.toLocaleTimeString(locale, { hour: "numeric", minute: "2-digit" });
}

/** Today and yesterday by their names. @param {Date} date @param {string} locale */
function dayOf(date, locale) {
  const now = new Date();
  const start = (/** @type {Date} */ of) => new Date(of.getFullYear(), of.getMonth(), of.getDate());
  const days = Math.round((start(date).getTime() - start(now).getTime()) / 86_400_000);
  if (days === 0 || days === -1) {
    const name = new Intl.RelativeTimeFormat(locale, { numeric: "auto" }).format(days, "day");
    return name.charAt(0).toLocaleUpperCase(locale) + name.slice(1);
  }
  return date.toLocaleDateString(locale, {
    weekday: "long",
    day: "numeric",
    month: "long",
    ...(date.getFullYear() !== now.getFullYear() && { year: "numeric" }),
  });
}
