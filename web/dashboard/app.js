/** @file The dashboard as a whole: its panes, and what agents do in them. */

/**
 * @import {Api} from "./api.js"
 * @import {Me} from "./types.js"
 * @import {Command} from "./shortcuts.js"
 */

import { texts } from "../ui/texts/dashboard.en.js";
import { Actions } from "./actions.js";
import { Bell } from "./bell.js";
import { Canned } from "./canned.js";
import { Composer, Texts } from "./composer.js";
import { Connection } from "./connection.js";
import { Desk } from "./desk.js";
import { Details } from "./details.js";
import { fill, h, say } from "./dom.js";
import { atMostEach } from "./events.js";
import { icon } from "./icons.js";
import { List } from "./list.js";
import { Menu } from "./menu.js";
import { Palette } from "./palette.js";
import { avatar, nameOf } from "./people.js";
import { Search } from "./search.js";
import { Setting, storageIfAllowed } from "./settings.js";
import { Shortcuts } from "./shortcuts.js";
import { statusOf } from "./state.js";
import { Thread } from "./thread.js";
import { Toast } from "./toast.js";
import { Views } from "./views.js";

const READ_AFTER_MS = 400;
const LOOK_MS = 500;
const TICK_MS = 30_000;
/** As many rows as a look may name. */
const MAX_LOOK = 64;

/**
 * @typedef {"views" | "list" | "thread" | "details"} Pane what a phone shows; a desk shows all
 */

export class App {
  #api;
  #desk;
  #me;
  #beside;
  #list;
  #thread;
  #composer;
  #details;
  #bell;
  #texts;
  #connection;
  /** @type {Actions} */
  #actions;
  #detailsShown;
  #toast = new Toast();
  /** @type {string[]} */
  #visible = [];
  /** Which agents have the open conversation open. @type {string[]} */
  #readers = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #reading;

  element = h("main", { class: "app", "data-pane": "list" });
  #face = h("span", { class: "thread-face" });
  #name = h("h2", { class: "thread-name", dir: "auto" });
  #about = h("p", { class: "thread-about", dir: "auto" });
  #tools = h("div", { class: "thread-tools" });
  #empty = h("div", { class: "thread-empty" });
  #head = h("header", { class: "thread-head", hidden: true });

  #look = atMostEach(LOOK_MS, () => {
    const id = this.#thread.id ?? null;
    this.#api.look(document.hidden ? null : id, this.#visible.slice(0, MAX_LOOK));
  });

  /**
   * @param {Api} api
   * @param {Me} me
   * @param {{scope: string[], beside: boolean, signOut: (() => void) | undefined}} options whose
   *   page this is, and whether a shop stands beside it
   */
  constructor(api, me, { scope, beside, signOut }) {
    const storage = storageIfAllowed("localStorage");
    this.#api = api;
    this.#me = me;
    this.#beside = beside;
    api.learn(me);
    const desk = (this.#desk = new Desk(api, me));
    this.#texts = new Texts(storage, [...scope, me.id]);
    this.#bell = new Bell(storage, [...scope, me.id].join("/"));
    this.#detailsShown = new Setting(storage, "details", "shown");
    const palette = new Palette();
    const canned = new Canned(storage, desk.team, this.#toast);
    const shortcuts = new Shortcuts(storage, (command) => this.#run(command));
    const search = new Search((email) => this.#show(email ? `email/${email}` : "open"));
    this.#thread = new Thread(desk, () => api.drafts);
    this.#composer = new Composer(this.#texts, {
      send: (id, mode, text) => this.#send(id, mode, text),
      typing: (id, on) => api.typing(id, on),
      canned: () => this.#run("canned"),
      leave: () => this.#list.focus(),
      drafted: (id) => this.#list.redraw([id]),
    });
    const toList = this.#iconButton("menu", texts.views.title, () => this.#pane("views"));
    toList.classList.add("to-views");
    this.#list = new List(desk, {
      open: (id) => this.#open(id),
      seen: (ids) => {
        this.#visible = ids;
        this.#look();
      },
      draftOf: (id) => this.#texts.get(id, "reply") || this.#texts.get(id, "note"),
      head: [toList, search.element],
    });
    const actions = (this.#actions = new Actions({
      desk,
      palette,
      canned,
      toast: this.#toast,
      bell: this.#bell,
      shortcuts,
      composer: this.#composer,
      chosen: () => this.#thread.id,
      show: (view) => this.#show(view),
      run: (command) => this.#run(command),
      leave: (id) => this.#goOn(id),
      toggleDetails: () => this.#toggleDetails(),
      signOut,
    }));
    this.#details = new Details(desk, {
      assign: () => actions.assign(),
      team: () => actions.team(),
      label: () => actions.label(),
      unlabel: (label) => void actions.update({ labels: { remove: [label] } }),
      snooze: () => actions.snooze(),
      close: () => actions.closeOrReopen(false),
      profile: (id, patch) => actions.profile(id, patch),
      hide: () => this.#toggleDetails(),
    });
    this.#connection = new Connection(api, () => this.#missed());
    const menu = new Menu({ me, actions, bell: this.#bell, api, team: desk.team });
    this.#search = search;
    this.#compose(new Views(desk, (view) => this.#show(view)).element, menu.element, beside);
    this.#listen();
    document.body.append(this.#toast.element);
    desk.show("open");
    api.on("state", (state) => {
      if (state === "online") desk.start();
    });
  }

  #search;

  // === the panes ===

  /** @param {HTMLElement} views @param {HTMLElement} menu @param {boolean} beside */
  #compose(views, menu, beside) {
    const back = this.#iconButton("back", texts.thread.back, () => this.#pane("list"));
    back.classList.add("to-list");
    const toDetails = this.#iconButton("details", texts.thread.details, () =>
      this.#toggleDetails(),
    );
    toDetails.classList.add("to-details");
    this.#head.append(
      back,
      this.#face,
      h("div", { class: "thread-who" }, this.#name, this.#about),
      this.#tools,
      toDetails,
    );
    fill(
      this.#empty,
      h("span", { class: "empty-icon" }, icon("inbox")),
      h("h2", {}, texts.thread.none),
      h("p", {}, beside ? texts.thread.firstHint : texts.thread.noneHint),
    );
    const skip = h("a", { class: "skip", href: "#thread" }, texts.skip);
    skip.addEventListener("click", (event) => {
      event.preventDefault();
      this.#thread.focus();
    });
    const brand = h(
      "div",
      { class: "brand" },
      h("span", { class: "brand-mark", "aria-hidden": "true" }),
      h("span", {}, texts.product),
    );
    this.element.append(
      h("h1", { class: "unseen" }, texts.product),
      skip,
      this.#connection.element,
      h("div", { class: "views" }, brand, views, menu),
      this.#list.element,
      h(
        "section",
        { class: "thread", id: "thread", "aria-label": texts.thread.title },
        this.#head,
        this.#empty,
        this.#thread.element,
        this.#composer.element,
      ),
      this.#details.element,
    );
    this.#details.element.hidden = true;
    this.#dress();
  }

  /**
   * @param {import("./icons.js").IconName} name
   * @param {string} label
   * @param {() => void} run
   */
  #iconButton(name, label, run) {
    const button = h(
      "button",
      { type: "button", class: "icon-button", "aria-label": label, title: label },
      icon(name),
    );
    button.addEventListener("click", run);
    return button;
  }

  /** @param {Pane} pane */
  #pane(pane) {
    this.element.dataset.pane = pane;
  }

  #toggleDetails() {
    const narrow = matchMedia("(max-width: 1179px)").matches;
    if (narrow) {
      this.#pane(this.element.dataset.pane === "details" ? "thread" : "details");
      return;
    }
    this.#detailsShown.set(this.#detailsShown.value === "shown" ? "hidden" : "shown");
    this.#dress();
  }

  /** @param {string} view */
  #show(view) {
    if (!view.startsWith("email/")) this.#search.clear();
    this.#pane("list");
    this.#desk.show(view);
  }

  /** @param {string | undefined} id */
  #open(id) {
    this.#pane(id === undefined ? "list" : "thread");
    if (id === this.#thread.id) return;
    this.#readers = [];
    this.#list.choose(id);
    this.#thread.open(id);
    this.#details.open(id, id === undefined ? undefined : this.#list.isOnline(id));
    this.#dress();
    this.#look();
    this.#read();
    // What came with the page has not gone through the list.
    if (id !== undefined) void this.#desk.ask(id);
  }

  /** The open conversation has left what is shown: the next one is opened. @param {string} id */
  #goOn(id) {
    const next = this.#list.nextAfter(id);
    this.#open(next === id ? undefined : next);
    this.#list.drop(id);
  }

  #dress() {
    const id = this.#thread.id;
    const state = id === undefined ? undefined : this.#desk.state(id);
    this.element.classList.toggle("has-details", this.#detailsShown.value === "shown" && !!state);
    this.#head.hidden = !state;
    this.#empty.hidden = id !== undefined;
    const closed = state !== undefined && statusOf(state, this.#desk.now()) === "closed";
    this.#composer.open(id, state ? nameOf(state) : "", closed);
    if (!state) return;
    const name = nameOf(state);
    fill(this.#face, avatar(state.visitor?.id ?? state.id, name));
    say(this.#name, name);
    const status = statusOf(state, this.#desk.now());
    const who =
      state.assignee === this.#me.id
        ? texts.list.you
        : state.assignee
          ? this.#api.nameOf(state.assignee)
          : texts.details.nobody;
    say(this.#about, `${texts.status[status]} · ${who}`);
    fill(this.#tools, ...this.#actions.buttons(state));
  }

  // === what comes ===

  #listen() {
    const desk = this.#desk;
    desk.on("states", (ids) => {
      if (this.#thread.id !== undefined && ids.has(this.#thread.id)) this.#dress();
      this.#bell.show(desk.counts?.unread ?? desk.unread);
    });
    desk.on("counts", (counts) => this.#bell.show(counts?.unread ?? desk.unread));
    desk.on("frame", (frame) => {
      if (frame.conversationId === this.#thread.id) this.#read();
      if (frame.type === "message" && frame.message.sender === "user") this.#ring(frame);
    });
    desk.on("signal", (signal) => {
      if (signal.type !== "agents" || signal.conversationId !== this.#thread.id) return;
      const others = signal.agents.filter(({ id }) => id !== this.#me.id);
      this.#readers = others.map(({ id, name }) => name ?? id);
      this.#showOthers();
    });
    this.#thread.onWriting = () => this.#showOthers();
    this.#api.on("drafts", () => this.#thread.refresh());
    this.#api.on("failed", ({ draft, error }) => {
      if (draft.conversationId)
        this.#composer.giveBack(draft.conversationId, draft.text, error.message);
      this.#thread.refresh();
    });
    this.#api.on("named", () => {
      this.#list.tick();
      this.#dress();
    });
    document.addEventListener("visibilitychange", () => {
      this.#look();
      this.#read();
    });
    window.addEventListener("focus", () => this.#read());
    setInterval(() => this.#list.tick(), TICK_MS);
  }

  #showOthers() {
    const writing = this.#thread.agentsWriting;
    const sentences = writing.map(texts.thread.alsoTypes);
    for (const name of this.#readers) {
      if (!writing.includes(name)) sentences.push(texts.thread.alsoReads(name));
    }
    this.#composer.presence(sentences.join(" · "), writing.length > 0);
  }

  /** @param {Extract<import("./types.js").Frame, {type: "message"}>} frame */
  #ring({ conversationId, message }) {
    const state = this.#desk.state(conversationId);
    const theirs = state?.assignee && state.assignee !== this.#me.id;
    if (theirs) return;
    const open = conversationId === this.#thread.id;
    const name = state ? nameOf(state) : texts.details.visitor;
    this.#bell.ring(name, message.text, {
      seen: open && document.hasFocus(),
      tag: conversationId,
      open: () => this.#open(conversationId),
    });
    // The first message of all opens by itself: there is nothing else to look at.
    const idle = this.#thread.id === undefined && this.#desk.page.loaded;
    if (idle && (this.#beside || this.#desk.ids.length <= 1)) this.#open(conversationId);
  }

  /** What is open, loaded and looked at is read, a moment later. */
  #read() {
    clearTimeout(this.#reading);
    this.#reading = setTimeout(() => {
      const { id, last } = this.#thread;
      const state = id === undefined ? undefined : this.#desk.state(id);
      if (!id || document.hidden || !state) return;
      if (last === undefined) {
        // The page is on its way.
        if (state.unreadByMe) this.#read();
        return;
      }
      const marked = state.read.agents[this.#me.id] === last;
      if (!marked && (state.unread || state.unreadByMe)) {
        this.#desk.markRead(id, last);
      }
    }, READ_AFTER_MS);
  }

  /** Something may have been missed. */
  #missed() {
    this.#desk.reload();
    void this.#thread.gap();
    const id = this.#thread.id;
    if (id !== undefined) void this.#desk.ask(id);
  }

  // === what is done ===

  /** @param {string} id @param {import("./composer.js").Mode} mode @param {string} text */
  async #send(id, mode, text) {
    if (mode === "note") await this.#api.note(id, text);
    else this.#api.send(text, id);
    this.#thread.refresh();
  }

  /** @param {Command} command @returns {void} */
  #run(command) {
    const actions = this.#actions;
    switch (command) {
      case "next":
      case "previous": {
        const id = this.#list.neighbour(command === "next" ? 1 : -1);
        if (id !== undefined) this.#open(id);
        return;
      }
      case "palette":
        return actions.everything();
      case "help":
        return actions.help();
      case "leave":
        return this.#list.focus();
    }
    if (this.#thread.id === undefined) {
      this.#toast.say(texts.toast.noConversation);
      return;
    }
    switch (command) {
      case "reply":
      case "note":
        return this.#composer.focus(command);
      case "claim":
        return void actions.claim();
      case "assign":
        return actions.assign();
      case "close":
        return actions.closeOrReopen(true);
      case "snooze":
        return actions.snooze();
      case "label":
        return actions.label();
      case "canned":
        return actions.canned();
    }
  }
}
