/** @file The list of conversations: only the rows that can be seen are in the page. */

/** @import {Desk} from "./desk.js" */

import { texts } from "../ui/texts/dashboard.en.js";
import { attribute, fill, freshId, h, say } from "./dom.js";
import { icon } from "./icons.js";
import { Row, ROW_HEIGHT } from "./row.js";

/** Rows above and below what is seen, so that quick scrolling shows no holes. */
const SPARE = 6;
/** The next page is asked for when fewer rows than this are left below. */
const AHEAD = 20;
/** How long the list holds still after a key has moved the choice. */
const KEY_HOLD_MS = 2_500;

/**
 * While the pointer is over the list, or the focus in it, its order stands: what comes or goes
 * meanwhile is counted above it, and shown once it is asked for or the pointer leaves. What a row
 * says is always fresh.
 */
export class List {
  #desk;
  #open;
  #seen;
  #draftOf;
  /** @type {readonly string[]} what is shown, in order */
  #ids = [];
  #view = "";
  /** @type {Map<string, Row>} */
  #rows = new Map();
  /** @type {string | undefined} */
  #chosen;
  #over = false;
  #heldUntil = 0;
  /** @type {Map<string, boolean>} */
  #online = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #release;

  element = h("section", { class: "list", "aria-label": texts.list.title });
  #title = h("h2", { class: "list-title" });
  #count = h("span", { class: "list-count" });
  #bar = h("button", { class: "fresh", type: "button", hidden: true });
  #scroll = h("div", { class: "list-scroll" });
  #space = h("div", {
    class: "list-space",
    role: "listbox",
    tabindex: "0",
    "aria-label": texts.list.title,
  });
  #status = h("div", { class: "list-status" });

  /**
   * @param {Desk} desk
   * @param {{open: (id: string) => void, seen: (ids: string[]) => void, draftOf: (id: string) =>
   *   string, head: HTMLElement[]}} how what to do with a chosen conversation, and with the rows
   *   that are seen
   */
  constructor(desk, { open, seen, draftOf, head }) {
    this.#desk = desk;
    this.#open = open;
    this.#seen = seen;
    this.#draftOf = draftOf;
    this.#scroll.append(this.#space, this.#status);
    this.element.append(
      h(
        "header",
        { class: "list-head" },
        h("div", { class: "list-name" }, this.#title, this.#count),
        ...head,
      ),
      this.#bar,
      this.#scroll,
    );
    this.#bar.addEventListener("click", () => this.#settle());
    this.#scroll.addEventListener("scroll", () => this.#draw(), { passive: true });
    this.#scroll.addEventListener(
      "pointerenter",
      (event) => (this.#over = event.pointerType === "mouse"),
    );
    this.#scroll.addEventListener("pointerleave", () => {
      this.#over = false;
      this.#settleIfFree();
    });
    this.#space.addEventListener("focusout", () => queueMicrotask(() => this.#settleIfFree()));
    this.#space.addEventListener("click", (event) => this.#click(event));
    this.#space.addEventListener("keydown", (event) => this.#key(event));
    new ResizeObserver(() => this.#draw()).observe(this.#scroll);
    desk.on("list", () => this.update());
    desk.on("states", (ids) => this.#refresh(ids));
    desk.on("signal", (signal) => {
      if (signal.type !== "visitor") return;
      this.#online.set(signal.conversationId, signal.online);
      this.#refresh([signal.conversationId]);
    });
  }

  /** @param {string} id */
  isOnline(id) {
    return this.#online.get(id);
  }

  /** What is chosen, and shown as such. @param {string | undefined} id */
  choose(id) {
    const before = this.#chosen;
    this.#chosen = id;
    if (id !== undefined) this.#reveal(this.#ids.indexOf(id));
    this.#draw();
    this.#refresh([before, id].filter((each) => each !== undefined));
  }

  /** Draws a row anew. @param {Iterable<string>} ids */
  redraw(ids) {
    this.#refresh(ids);
  }

  /** Draws the times anew. */
  tick() {
    this.#refresh(this.#rows.keys());
  }

  /**
   * The conversation that comes after the chosen one, or before it.
   *
   * @param {1 | -1} step
   */
  neighbour(step) {
    this.#hold();
    const at = this.#chosen === undefined ? -1 : this.#ids.indexOf(this.#chosen);
    if (at < 0) return this.#ids[0];
    return this.#ids[at + step];
  }

  /**
   * The conversation to go on with once the chosen one has left: the one after it, or before it.
   *
   * @param {string} id
   */
  nextAfter(id) {
    const at = this.#ids.indexOf(id);
    return at < 0 ? this.#ids[0] : (this.#ids[at + 1] ?? this.#ids[at - 1]);
  }

  /** A row that the agent has sent away goes at once, though the list holds. @param {string} id */
  drop(id) {
    this.#ids = this.#ids.filter((each) => each !== id);
    this.update();
  }

  focus() {
    this.#space.focus({ preventScroll: true });
  }

  /** Shows what the desk has, unless the list has to hold still. */
  update() {
    const { view, ids, page } = this.#desk;
    if (view !== this.#view) {
      this.#view = view;
      this.#ids = ids;
      this.#scroll.scrollTop = 0;
    } else if (!this.#holds || this.#ids.length === 0 || extends_(ids, this.#ids)) {
      this.#ids = ids;
    }
    const moved = this.#moved();
    this.#bar.hidden = moved === 0;
    if (moved > 0)
      fill(this.#bar, texts.list.fresh(moved), " · ", h("strong", {}, texts.list.show));
    this.#head();
    this.#tail(page);
    this.#draw();
  }

  get #holds() {
    return (
      this.#over || this.#space.contains(document.activeElement) || Date.now() < this.#heldUntil
    );
  }

  #hold() {
    this.#heldUntil = Date.now() + KEY_HOLD_MS;
    clearTimeout(this.#release);
    this.#release = setTimeout(() => this.#settleIfFree(), KEY_HOLD_MS + 50);
  }

  #settleIfFree() {
    if (!this.#holds) this.update();
  }

  /** Shows the order as it is, though the list is held. */
  #settle() {
    this.#ids = this.#desk.ids;
    this.#scroll.scrollTop = 0;
    this.update();
  }

  /** How many rows would come, go or move up. */
  #moved() {
    const fresh = this.#desk.ids;
    if (fresh === this.#ids) return 0;
    const shown = new Set(this.#ids);
    const there = new Set(fresh);
    let moved = 0;
    for (const id of fresh) if (!shown.has(id)) moved += 1;
    for (const id of this.#ids) if (!there.has(id)) moved += 1;
    if (moved === 0 && fresh.some((id, at) => id !== this.#ids[at])) moved = 1;
    return moved;
  }

  #head() {
    const { view, page } = this.#desk;
    say(this.#title, viewName(view));
    const size = this.#ids.length;
    say(this.#count, page.loaded && size > 0 ? `${size}${page.more ? "+" : ""}` : "");
  }

  /** @param {import("./desk.js").Page} page */
  #tail(page) {
    const empty = this.#ids.length === 0;
    this.#space.hidden = empty;
    if (page.failed) {
      const again = h("button", { class: "button", type: "button" }, texts.list.again);
      again.addEventListener("click", () => void this.#desk.more());
      fill(
        this.#status,
        h("div", { class: "empty", role: "status" }, h("p", {}, texts.list.failed), again),
      );
    } else if (empty && (page.loading || !page.loaded)) {
      if (this.#status.querySelector(".skeleton")) return;
      fill(this.#status, skeletons());
    } else if (empty && page.loaded) {
      fill(this.#status, emptyState(this.#view));
    } else {
      fill(this.#status);
    }
  }

  // === the window ===

  #draw() {
    const total = this.#ids.length;
    const { scrollTop, clientHeight } = this.#scroll;
    const first = Math.max(0, Math.floor(scrollTop / ROW_HEIGHT) - SPARE);
    const last = Math.min(total, Math.ceil((scrollTop + clientHeight) / ROW_HEIGHT) + SPARE);
    this.#space.style.blockSize = `${total * ROW_HEIGHT}px`;
    const wanted = new Map();
    for (let at = first; at < last; at += 1) wanted.set(this.#ids[at], at);
    // The chosen row stays, so that the list can name it to a screen reader.
    const chosenAt = this.#chosen === undefined ? -1 : this.#ids.indexOf(this.#chosen);
    if (chosenAt >= 0) wanted.set(this.#chosen, chosenAt);
    for (const [id, row] of this.#rows) {
      if (wanted.has(id)) continue;
      row.element.remove();
      this.#rows.delete(id);
    }
    const setSize = this.#desk.page.more ? -1 : total;
    for (const [id, at] of wanted) {
      let row = this.#rows.get(id);
      if (!row) {
        row = new Row(id, freshId("row"));
        this.#rows.set(id, row);
        this.#fill(row);
        this.#space.append(row.element);
      }
      row.place(at, setSize);
    }
    const active = this.#chosen === undefined ? undefined : this.#rows.get(this.#chosen);
    attribute(this.#space, "aria-activedescendant", active?.element.id ?? null);
    this.#order(wanted);
    const { page } = this.#desk;
    if (page.loaded && page.more && !page.loading && !page.failed && last + AHEAD >= total) {
      void this.#desk.more();
    }
    const top = Math.floor(scrollTop / ROW_HEIGHT);
    const bottom = Math.ceil((scrollTop + clientHeight) / ROW_HEIGHT);
    this.#seen(this.#ids.slice(top, bottom));
  }

  /** The rows stand in the document as they are read. @param {Map<string, number>} wanted */
  #order(wanted) {
    const sorted = [...wanted].sort((a, b) => a[1] - b[1]);
    /** @type {Element | null} */
    let before = null;
    for (const [id] of sorted) {
      const element = this.#rows.get(id)?.element;
      if (!element) continue;
      /** @type {Element | null} */
      const follows = before ? before.nextElementSibling : this.#space.firstElementChild;
      if (follows !== element) this.#space.insertBefore(element, follows);
      before = element;
    }
  }

  /** @param {Iterable<string>} ids */
  #refresh(ids) {
    for (const id of ids) {
      const row = this.#rows.get(id);
      if (row) this.#fill(row);
    }
  }

  /** @param {Row} row */
  #fill(row) {
    const state = this.#desk.state(row.id);
    if (!state) return;
    row.show(state, {
      now: this.#desk.now(),
      me: this.#desk.me.id,
      chosen: row.id === this.#chosen,
      left: !this.#desk.has(row.id),
      online: this.#online.get(row.id) === true,
      draft: this.#draftOf(row.id),
      agent: (id) => this.#desk.api.nameOf(id),
    });
  }

  /** @param {number} at */
  #reveal(at) {
    if (at < 0) return;
    const { scrollTop, clientHeight } = this.#scroll;
    const top = at * ROW_HEIGHT;
    if (top < scrollTop) this.#scroll.scrollTop = top - ROW_HEIGHT / 2;
    else if (top + ROW_HEIGHT > scrollTop + clientHeight) {
      this.#scroll.scrollTop = top + ROW_HEIGHT * 1.5 - clientHeight;
    }
  }

  // === hands ===

  /** @param {MouseEvent} event */
  #click(event) {
    const row = event.target instanceof Element ? event.target.closest("[data-id]") : null;
    const id = row?.getAttribute("data-id");
    if (id) this.#open(id);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const at = this.#chosen === undefined ? -1 : this.#ids.indexOf(this.#chosen);
    const page = Math.max(1, Math.floor(this.#scroll.clientHeight / ROW_HEIGHT) - 1);
    const last = this.#ids.length - 1;
    const to = {
      ArrowDown: at + 1,
      ArrowUp: at < 0 ? 0 : at - 1,
      PageDown: at + page,
      PageUp: at - page,
      Home: 0,
      End: last,
    }[event.key];
    if (to === undefined || last < 0) return;
    event.preventDefault();
    const id = this.#ids[Math.min(last, Math.max(0, to))];
    if (id !== undefined) this.#open(id);
  }
}

/** Whether the longer list begins with the shorter: then nothing moves. @param {readonly string[]}
 * long @param {readonly string[]} begin */
function extends_(long, begin) {
  return long.length >= begin.length && begin.every((id, at) => long[at] === id);
}

/** @param {string} view */
export function viewName(view) {
  const at = view.indexOf("/");
  if (at >= 0) return view.slice(at + 1);
  const names = /** @type {Record<string, unknown>} */ (texts.views);
  return String(names[view] ?? view);
}

function skeletons() {
  const rows = Array.from({ length: 7 }, () =>
    h("div", { class: "skeleton row-skeleton" }, h("i"), h("div", {}, h("b"), h("b"))),
  );
  return h("div", { role: "status", "aria-label": texts.list.loading }, ...rows);
}

/** @param {string} view */
function emptyState(view) {
  const kind = view.startsWith("email/") ? "search" : view;
  const all = /** @type {Record<string, string[]>} */ (texts.list.empty);
  const [title, hint] = all[kind] ?? texts.list.empty.other;
  const picture = view === "waiting" || view === "none" ? icon("check") : icon("inbox");
  return h(
    "div",
    { class: "empty" },
    h("span", { class: "empty-icon" }, picture),
    h("h2", {}, title),
    h("p", {}, hint),
  );
}
