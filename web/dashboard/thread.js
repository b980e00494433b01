/** @file The open conversation: its timeline, and who else is there. */

/**
 * @import {Desk} from "./desk.js"
 * @import {Entry} from "./story.js"
 * @import {Draft, Signal} from "./types.js"
 */

import { texts } from "../ui/texts/dashboard.en.js";
import { fill, h, say } from "./dom.js";
import { changeEntry, linkedEntry, messageEntry, noteEntry, ratingEntry } from "./entries.js";
import { beforePicture } from "./events.js";
import { icon } from "./icons.js";
import { avatar, nameOf } from "./people.js";
import { bodyOf, cursorOf, Story } from "./story.js";
import { day, sameDay } from "./times.js";

/** How near to its end the timeline follows what is new, in pixels. */
const NEAR_END = 80;
/** Messages of one author this close together are one group. */
const GROUP_MS = 5 * 60_000;

export class Thread {
  #desk;
  /** @type {Story | undefined} */
  #story;
  /** @type {Map<string, {element: HTMLElement, about: unknown}>} */
  #shown = new Map();
  /** @type {Map<string, {signal: Extract<Signal, {type: "typing"}>, timer: number}>} */
  #typing = new Map();
  #follows = true;
  /** The last entry that was seen at the end. @type {string | undefined} */
  #endAt;
  #drafts;

  element = h("div", { class: "thread-body", hidden: true });
  #scroll = h("div", {
    class: "thread-scroll",
    tabindex: "0",
    role: "region",
    "aria-label": texts.thread.log,
  });
  #older = h("button", { class: "button older", type: "button", hidden: true }, texts.thread.older);
  #log = h("div", {
    class: "thread-log",
    role: "log",
    "aria-live": "polite",
    "aria-label": texts.thread.title,
  });
  #pending = h("div", { class: "thread-pending" });
  #seen = h("p", { class: "seen-line", hidden: true });
  #writes = h("p", { class: "typing-line", hidden: true });
  #state = h("div", { class: "thread-state" });
  #toEnd = h("button", { class: "to-end", type: "button", hidden: true });

  #redraw = beforePicture(() => this.#draw());

  /** @param {Desk} desk @param {() => readonly Draft[]} drafts what waits to be sent */
  constructor(desk, drafts) {
    this.#desk = desk;
    this.#drafts = drafts;
    const inner = h(
      "div",
      { class: "thread-inner" },
      this.#older,
      this.#state,
      this.#log,
      this.#pending,
      this.#seen,
      this.#writes,
    );
    this.#scroll.append(inner);
    this.element.append(this.#scroll, this.#toEnd);
    this.#toEnd.addEventListener("click", () => {
      this.#follows = true;
      this.#stick();
    });
    this.#older.addEventListener("click", () => void this.#story?.older());
    this.#scroll.addEventListener(
      "scroll",
      () => {
        const { scrollTop, scrollHeight, clientHeight } = this.#scroll;
        this.#follows = scrollHeight - clientHeight - scrollTop < NEAR_END;
        if (this.#follows) this.#endAt = this.last;
        this.#offerEnd();
        if (scrollTop < NEAR_END && this.#story?.hasOlder) void this.#story.older();
      },
      { passive: true },
    );
    // What makes the box or what is in it taller must not hide the end that was being read.
    new ResizeObserver(() => this.#stick()).observe(this.#scroll);
    new ResizeObserver(() => this.#stick()).observe(inner);
    desk.on("frame", (frame) => {
      if (frame.conversationId !== this.#story?.id) return;
      if (frame.type === "message") this.#endTyping(frame.message.sender);
    });
    desk.api.on("timeline", (id) => {
      if (id === undefined || id === this.#story?.id) this.#story?.refresh();
    });
    desk.on("states", (ids) => {
      const story = this.#story;
      if (!story || !ids.has(story.id)) return;
      const read = desk.state(story.id)?.read.visitor;
      if (read) story.readByVisitor = read;
      this.#redraw();
    });
    desk.on("signal", (signal) => this.#hear(signal));
  }

  /** The open conversation. */
  get id() {
    return this.#story?.id;
  }

  /** The cursor of the last entry that is shown. */
  get last() {
    return this.#story?.phase === "ready" ? this.#story.last : undefined;
  }

  /** @param {string | undefined} id */
  open(id) {
    if (id === this.#story?.id) return;
    this.#story?.end();
    for (const { timer } of this.#typing.values()) clearTimeout(timer);
    this.#typing.clear();
    this.#follows = true;
    this.#shown.clear();
    fill(this.#log);
    this.#story = undefined;
    if (id !== undefined) {
      const story = new Story(id, this.#desk.api, () => this.#redraw());
      story.readByVisitor = this.#desk.state(id)?.read.visitor ?? null;
      this.#story = story;
      void story.load();
    }
    this.#draw();
  }

  /** Something may have been missed: what is shown ends in a line until it is loaded again. */
  async gap() {
    this.#story?.gap();
    await this.#story?.load();
  }

  /** What waits to be sent is different. */
  refresh() {
    this.#redraw();
  }

  focus() {
    this.#scroll.focus({ preventScroll: true });
  }

  /** Who else is writing an answer. */
  get agentsWriting() {
    const { me } = this.#desk;
    return [...this.#typing.values()]
      .filter(({ signal }) => signal.by !== "user" && signal.author?.id !== me.id)
      .map(({ signal }) => signal.author?.name ?? signal.author?.id ?? "");
  }

  #stick() {
    if (!this.#follows) return;
    this.#scroll.scrollTop = this.#scroll.scrollHeight;
    this.#endAt = this.last;
    this.#offerEnd();
  }

  /** Whoever reads further above is told of what comes, and brought there. */
  #offerEnd() {
    this.#toEnd.hidden = this.#follows;
    if (this.#follows) return;
    const fresh = this.last !== this.#endAt;
    this.#toEnd.classList.toggle("is-fresh", fresh);
    fill(this.#toEnd, icon("send"), fresh ? texts.thread.newLine : texts.thread.toEnd);
  }

  // === signals ===

  /** @param {Signal} signal */
  #hear(signal) {
    if (signal.type !== "typing" || signal.conversationId !== this.#story?.id) return;
    const key = `${signal.by}:${signal.author?.id ?? ""}`;
    clearTimeout(this.#typing.get(key)?.timer);
    this.#typing.delete(key);
    if (signal.on) {
      const end = () => {
        this.#typing.delete(key);
        this.#typed();
      };
      const timer = window.setTimeout(end, Math.min(signal.expiresInMs ?? 6_000, 30_000));
      this.#typing.set(key, { signal, timer });
    }
    this.#typed();
  }

  /** @param {string} by */
  #endTyping(by) {
    for (const [key, { signal, timer }] of this.#typing) {
      if (signal.by !== by) continue;
      clearTimeout(timer);
      this.#typing.delete(key);
    }
    this.#typed();
  }

  #typed() {
    this.onWriting();
    this.#redraw();
  }

  /** Is told when somebody begins or ends to write; set by whoever shows it above the composer. */
  onWriting = () => {};

  // === the picture ===

  #draw() {
    const story = this.#story;
    this.element.hidden = !story;
    if (!story) return;
    const { scrollHeight, scrollTop } = this.#scroll;
    const first = this.#log.firstElementChild;
    this.#log.setAttribute("aria-busy", String(story.phase === "loading"));
    this.#older.hidden = !story.hasOlder || story.phase !== "ready";
    this.#older.disabled = story.loadingOlder;
    this.#phase(story);
    this.#entries(story);
    this.#waiting(story.id);
    this.#receipt(story);
    this.#visitorTypes(story.id);
    this.#offerEnd();
    if (this.#follows) this.#stick();
    else if (first && first !== this.#log.firstElementChild && this.#log.contains(first)) {
      // Older entries came above: what is read stays where it is.
      this.#scroll.scrollTop = scrollTop + this.#scroll.scrollHeight - scrollHeight;
    }
  }

  /** @param {Story} story */
  #phase(story) {
    if (story.phase === "loading") {
      if (!this.#state.querySelector(".skeleton")) fill(this.#state, skeletons());
    } else if (story.phase === "failed") {
      const again = h("button", { class: "button", type: "button" }, texts.thread.again);
      again.addEventListener("click", () => void story.load());
      fill(
        this.#state,
        h("div", { class: "empty", role: "status" }, h("p", {}, texts.thread.failed), again),
      );
    } else if (story.entries.length === 0) {
      fill(this.#state, h("div", { class: "empty" }, h("p", {}, texts.thread.empty)));
    } else fill(this.#state);
  }

  /** @param {Story} story */
  #entries(story) {
    const state = this.#desk.state(story.id);
    const about = state ? nameOf(state) : "";
    const now = this.#desk.now();
    /** @type {HTMLElement[]} */
    const wanted = [];
    const keys = new Set();
    const use = (/** @type {string} */ key, /** @type {() => HTMLElement} */ make) => {
      keys.add(key);
      let shown = this.#shown.get(key);
      if (!shown || shown.about !== about) {
        shown = { element: make(), about };
        this.#shown.set(key, shown);
      }
      wanted.push(shown.element);
      return shown.element;
    };
    /** @type {Entry | undefined} */
    let before;
    for (const entry of story.entries) {
      const time = timeOf(entry);
      const previous = before && timeOf(before);
      const newDay = time !== undefined && (!previous || !sameDay(previous, time));
      if (newDay) {
        const name = day(time, now);
        use(`day:${name}:${entry.key}`, () => h("p", { class: "day-line" }, h("span", {}, name)));
      }
      const element = use(entry.key, () => this.#make(entry, state, now));
      element.classList.toggle("is-grouped", !newDay && goesOn(before, entry));
      before = entry;
    }
    for (const [key, { element }] of this.#shown) {
      if (keys.has(key)) continue;
      element.remove();
      this.#shown.delete(key);
    }
    let at = this.#log.firstElementChild;
    for (const element of wanted) {
      if (element === at) at = at.nextElementSibling;
      else this.#log.insertBefore(element, at);
    }
    while (at) {
      const next = at.nextElementSibling;
      at.remove();
      at = next;
    }
  }

  /**
   * @param {Entry} entry
   * @param {import("./types.js").State | undefined} state
   * @param {number} now
   */
  #make(entry, state, now) {
    if ("gap" in entry) return this.#gapLine();
    const { frame } = entry;
    const context = {
      state,
      me: this.#desk.me,
      now,
      agent: (/** @type {string} */ id) => this.#desk.api.nameOf(id),
    };
    switch (frame.type) {
      case "message":
        return messageEntry(frame.message, context);
      case "note":
        return noteEntry(frame.note, context);
      case "change":
        return changeEntry(frame.change, context);
      case "rating":
        return ratingEntry(frame.rating);
      case "linked":
        return linkedEntry();
    }
  }

  #gapLine() {
    const reload = h("button", { class: "link", type: "button" }, texts.thread.reload);
    reload.addEventListener("click", () => void this.#story?.load());
    return h(
      "div",
      { class: "gap-line", role: "status" },
      h("span", {}, texts.thread.gap, " ", reload),
    );
  }

  /** @param {string} id */
  #waiting(id) {
    const waiting = this.#drafts().filter(({ conversationId }) => conversationId === id);
    const keys = waiting.map(({ clientMessageId }) => clientMessageId).join();
    if (this.#pending.dataset.keys === keys) return;
    this.#pending.dataset.keys = keys;
    const { me } = this.#desk;
    const bubbles = waiting.map(({ text }) =>
      h(
        "article",
        { class: "entry bubble-entry from-team is-pending" },
        avatar(me.id, me.name),
        h(
          "div",
          { class: "bubble-box" },
          h("p", { class: "bubble text", dir: "auto" }, text),
          h("p", { class: "pending-word" }, icon("snoozed"), texts.thread.sending),
        ),
      ),
    );
    fill(this.#pending, ...bubbles);
    if (waiting.length > 0) this.#follows = true;
  }

  /** Whether the visitor has seen the team's last message. @param {Story} story */
  #receipt(story) {
    const messages = story.entries.filter(
      (entry) => !("gap" in entry) && entry.frame.type === "message",
    );
    const last = messages.at(-1);
    const ours =
      last &&
      !("gap" in last) &&
      last.frame.type === "message" &&
      last.frame.message.sender !== "user";
    this.#seen.hidden = !ours;
    if (!ours) return;
    const read = story.entries.findIndex((entry) => cursorOf(entry) === story.readByVisitor);
    const seen = read >= 0 && read >= story.entries.indexOf(last);
    this.#seen.classList.toggle("is-seen", seen);
    say(this.#seen, seen ? texts.thread.seen : texts.thread.sent);
  }

  /** @param {string} id */
  #visitorTypes(id) {
    const types = [...this.#typing.values()].some(({ signal }) => signal.by === "user");
    if (types === !this.#writes.hidden) return;
    this.#writes.hidden = !types;
    const state = this.#desk.state(id);
    const name = state ? nameOf(state) : texts.details.visitor;
    const dots = h("span", { class: "typing-dots", "aria-hidden": "true" }, h("i"), h("i"), h("i"));
    if (types) fill(this.#writes, dots, texts.thread.typing(name));
  }
}

/** @param {Entry} entry */
function timeOf(entry) {
  if ("gap" in entry || entry.frame.type === "linked") return undefined;
  return bodyOf(entry.frame).timestamp;
}

/** Whether an entry is by the same author as the one before, shortly after. @param {Entry |
 * undefined} before @param {Entry} entry */
function goesOn(before, entry) {
  if (!before || "gap" in before || "gap" in entry) return false;
  const [one, other] = [before.frame, entry.frame];
  if (one.type !== "message" || other.type !== "message") return false;
  const [a, b] = [one.message, other.message];
  if (a.sender !== b.sender || a.author?.id !== b.author?.id) return false;
  return new Date(b.timestamp).getTime() - new Date(a.timestamp).getTime() < GROUP_MS;
}

function skeletons() {
  const rows = ["", "", "is-own", ""].map((own) =>
    h("div", { class: `skeleton bubble-skeleton ${own}` }, h("i"), h("b")),
  );
  return h("div", { role: "status", "aria-label": texts.thread.loading }, ...rows);
}
