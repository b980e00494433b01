/** @file What an agent does with a conversation, by key, button or palette. */

/**
 * @import {Bell} from "./bell.js"
 * @import {Canned} from "./canned.js"
 * @import {Composer} from "./composer.js"
 * @import {Desk} from "./desk.js"
 * @import {Choice, Palette} from "./palette.js"
 * @import {Command, Shortcuts} from "./shortcuts.js"
 * @import {Toast} from "./toast.js"
 * @import {Patch, ProfilePatch, State} from "./types.js"
 */

import { texts } from "../ui/texts/dashboard.en.js";
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { viewName } from "./list.js";
import { avatar, hueOf } from "./people.js";
import { keyOf } from "./shortcuts.js";
import { statusOf, whole } from "./state.js";
import { snoozeChoices, upcoming } from "./times.js";
import { FIXED } from "./views.js";

/**
 * @typedef {object} Surroundings
 * @property {Desk} desk
 * @property {Palette} palette
 * @property {Canned} canned
 * @property {Toast} toast
 * @property {Bell} bell
 * @property {Shortcuts} shortcuts
 * @property {Composer} composer
 * @property {() => string | undefined} chosen the open conversation
 * @property {(view: string) => void} show
 * @property {(command: Command) => void} run
 * @property {(id: string) => void} leave the conversation left what is shown
 * @property {() => void} toggleDetails
 * @property {(() => void) | undefined} signOut
 */

export class Actions {
  #with;

  /** @param {Surroundings} surroundings */
  constructor(surroundings) {
    this.#with = surroundings;
  }

  /** @returns {State | undefined} */
  get #state() {
    const id = this.#with.chosen();
    return id === undefined ? undefined : this.#with.desk.state(id);
  }

  /**
   * Changes the open conversation; what went wrong is said.
   *
   * @param {Patch} patch
   * @param {string} [done] what is said of it then
   * @param {Patch} [back] what takes it back
   */
  async update(patch, done, back) {
    const id = this.#with.chosen();
    if (id !== undefined) await this.#change(id, patch, done, back);
  }

  /**
   * @param {string} id
   * @param {Patch} patch
   * @param {string} [done]
   * @param {Patch} [back]
   */
  async #change(id, patch, done, back) {
    const { desk, toast } = this.#with;
    try {
      await desk.update(id, patch);
      const undo = back && { name: texts.toast.undo, run: () => void this.#change(id, back) };
      if (done) toast.say(done, { action: undo });
      return true;
    } catch (thrown) {
      this.#failed(thrown);
      return false;
    }
  }

  /** @param {unknown} thrown */
  #failed(thrown) {
    const { toast } = this.#with;
    const { status, code, message } =
      /** @type {{status?: number, code?: string, message?: string}} */ (thrown ?? {});
    const sentence =
      status === 404 || status === 405
        ? texts.toast.unknown
        : code === "network" || code === "timeout"
          ? texts.toast.offline
          : status === 422 && message
            ? message
            : texts.toast.failed;
    toast.say(sentence, { bad: true });
  }

  /** Takes the conversation, if nobody has it. */
  async claim() {
    const state = this.#state;
    if (!state) return;
    const { desk, toast } = this.#with;
    if (state.assignee === desk.me.id) {
      await this.update({ assignee: null }, texts.toast.unassigned);
      return;
    }
    try {
      await desk.update(state.id, { assignee: desk.me.id, ifAssignee: null });
      toast.say(texts.toast.claimed);
    } catch (thrown) {
      const refusal =
        /** @type {{status?: number, conversation?: Partial<State> & {id: string}}} */ (thrown);
      if (refusal.status !== 409) return this.#failed(thrown);
      const winner = refusal.conversation && whole(refusal.conversation).assignee;
      const sentence = winner
        ? texts.toast.taken(desk.api.nameOf(winner))
        : texts.toast.takenByNobody;
      toast.say(sentence, { bad: true });
    }
  }

  /**
   * Closes or reopens; after closing by key, the next conversation is opened.
   *
   * @param {boolean} goOn
   */
  closeOrReopen(goOn) {
    const state = this.#state;
    if (!state) return;
    const closed = statusOf(state, this.#with.desk.now()) === "closed";
    if (goOn && !closed) this.#leave(state.id);
    void this.#change(
      state.id,
      { status: closed ? "open" : "closed" },
      closed ? texts.toast.reopened : texts.toast.closed,
      { status: closed ? "closed" : "open" },
    );
  }

  /** @param {string} id */
  #leave(id) {
    const { view } = this.#with.desk;
    // In lists that hold what is closed or snoozed, it stays.
    if (!view.startsWith("email/") && view !== "closed") this.#with.leave(id);
  }

  snooze() {
    const { palette, desk } = this.#with;
    const id = this.#with.chosen();
    if (id === undefined) return;
    const words = texts.palette;
    palette.ask({
      title: words.snooze,
      choices: () =>
        snoozeChoices(desk.now()).map(({ key, until }) => ({
          name: words[key],
          hint: upcoming(until.toISOString(), desk.now()),
          icon: "snoozed",
          run: () => {
            if (desk.view !== "snoozed") this.#leave(id);
            const said = texts.toast.snoozed(upcoming(until.toISOString(), desk.now()));
            void this.#change(id, { status: "snoozed", until: until.toISOString() }, said, {
              status: "open",
            });
          },
        })),
    });
  }

  assign() {
    const { palette, desk } = this.#with;
    const id = this.#with.chosen();
    if (id === undefined) return;
    const words = texts.palette;
    const choice = (/** @type {string} */ agent, /** @type {string} */ name) => ({
      name,
      hint: desk.team.isAway(agent) ? texts.me.away : "",
      mark: avatar(agent, name, "small"),
      on: desk.state(id)?.assignee === agent,
      run: () => void this.#change(id, { assignee: agent }, texts.toast.assigned(name)),
    });
    palette.ask({
      title: words.assign,
      choices: () => [
        choice(desk.me.id, `${words.me} (${desk.api.nameOf(desk.me.id)})`),
        ...desk.marks.agents
          .filter((agent) => agent !== desk.me.id)
          .map((agent) => choice(agent, desk.api.nameOf(agent))),
        {
          name: words.nobody,
          icon: "none",
          run: () => void this.#change(id, { assignee: null }, texts.toast.unassigned),
        },
      ],
      create: (text) => ({ ...choice(text, text), name: words.create(text) }),
    });
  }

  team() {
    const { palette, desk } = this.#with;
    const id = this.#with.chosen();
    if (id === undefined) return;
    const words = texts.palette;
    /** @param {string | null} team @param {string} name @returns {Choice} */
    const choice = (team, name) => ({
      name,
      icon: team === null ? "none" : "team",
      on: desk.state(id)?.team === team,
      run: () => void this.#change(id, { team }),
    });
    palette.ask({
      title: words.team,
      choices: () => [
        ...desk.marks.teams.map((team) => choice(team, team)),
        choice(null, words.noTeam),
      ],
      create: (text) => choice(text, words.create(text)),
    });
  }

  label() {
    const { palette, desk } = this.#with;
    const id = this.#with.chosen();
    if (id === undefined) return;
    /** @param {string} label @param {string} name @returns {Choice} */
    const choice = (label, name) => {
      const on = desk.state(id)?.labels.includes(label) === true;
      const labels = on ? { remove: [label] } : { add: [label] };
      const mark = h("span", { class: "swatch", "data-hue": hueOf(label) });
      return { name, mark, on, run: () => void this.#change(id, { labels }) };
    };
    palette.ask({
      title: texts.palette.label,
      stay: true,
      choices: () => desk.marks.labels.map((label) => choice(label, label)),
      create: (text) => choice(text, texts.palette.create(text)),
    });
  }

  canned() {
    const { palette, canned, composer } = this.#with;
    palette.ask({
      title: texts.palette.canned,
      choices: () => [
        ...canned.all.map(({ name, text }) => ({
          name,
          hint: text.slice(0, 80),
          icon: /** @type {const} */ ("canned"),
          run: () => {
            composer.focus(composer.mode);
            composer.insert(text);
          },
        })),
        { name: texts.palette.editCanned, icon: "plus", run: () => canned.edit() },
      ],
    });
  }

  /** What the team sees of this agent. */
  me() {
    const { palette, desk } = this.#with;
    const away = desk.team.isAway(desk.me.id);
    /** @type {(name: string, what: {name?: string, away?: boolean}) => Choice} */
    const choice = (name, what) => ({
      name,
      on: what.away === away,
      icon: what.away ? "snoozed" : "mine",
      run: () => void this.#setMe(what),
    });
    palette.ask({
      title: texts.me.title,
      choices: () => [
        choice(texts.me.setOnline, { away: false }),
        choice(texts.me.setAway, { away: true }),
      ],
      create: (name) => choice(texts.me.call(name), { name }),
    });
  }

  /** @param {{name?: string, away?: boolean}} what */
  async #setMe(what) {
    try {
      await this.#with.desk.team.setMe(what);
      this.#with.toast.say(texts.me.saved);
    } catch (thrown) {
      this.#failed(thrown);
    }
  }

  help() {
    this.#with.shortcuts.show();
  }

  /** @param {string} id @param {ProfilePatch} patch */
  async profile(id, patch) {
    try {
      await this.#with.desk.profile(id, patch);
      this.#with.toast.say(texts.details.saved);
    } catch (thrown) {
      this.#failed(thrown);
      throw thrown;
    }
  }

  async allowNotifications() {
    const { bell, toast } = this.#with;
    const allowed = await bell.allow();
    toast.say(allowed ? texts.toast.notificationsOn : texts.toast.notificationsDenied, {
      bad: !allowed,
    });
  }

  /** @param {boolean} on */
  turnShortcuts(on) {
    this.#with.shortcuts.turn(on);
    this.#with.toast.say(on ? texts.toast.shortcutsOn : texts.toast.shortcutsOff);
  }

  everything() {
    this.#with.palette.ask({
      title: texts.actions.palette,
      hint: texts.palette.everything,
      choices: () => this.everyChoice(),
    });
  }

  /** Everything that can be done now. @returns {Choice[]} */
  everyChoice() {
    const { desk, show, run, bell, shortcuts, signOut } = this.#with;
    const words = texts.actions;
    const state = this.#state;
    /** @type {(command: Command, name: string, icon: import("./icons.js").IconName) => Choice} */
    const command = (name, label, iconName) => ({
      name: label,
      icon: iconName,
      keys: keyOf(name),
      run: () => run(name),
    });
    const closed = state && statusOf(state, desk.now()) === "closed";
    const own = state?.assignee === desk.me.id;
    /** @type {Choice[]} */
    const ofConversation = state
      ? [
          command("reply", words.reply, "send"),
          command("note", words.note, "note"),
          command("claim", own ? words.unclaim : words.claim, "mine"),
          command("assign", words.assign, "mine"),
          command("close", closed ? words.reopen : words.close, closed ? "reopen" : "closed"),
          command("snooze", words.snooze, "snoozed"),
          command("label", words.label, "label"),
          { name: words.team, icon: "team", run: () => this.team() },
          command("canned", words.canned, "canned"),
        ]
      : [];
    return [
      ...ofConversation,
      command("next", words.next, "more"),
      command("previous", words.previous, "more"),
      ...FIXED.map(({ key, icon: name }) => ({
        name: words.goTo(viewName(key)),
        icon: name,
        run: () => show(key),
      })),
      ...desk.marks.teams.map((team) => ({
        name: words.goTo(team),
        icon: /** @type {const} */ ("team"),
        run: () => show(`team/${team}`),
      })),
      ...desk.marks.labels.map((label) => ({
        name: words.goTo(label),
        icon: /** @type {const} */ ("label"),
        run: () => show(`label/${label}`),
      })),
      {
        name: words.search,
        icon: "search",
        run: () => document.querySelector("#search")?.dispatchEvent(new CustomEvent("ask")),
      },
      ...(desk.team.known
        ? [{ name: words.me, icon: /** @type {const} */ ("mine"), run: () => this.me() }]
        : []),
      { name: words.details, icon: "details", run: () => this.#with.toggleDetails() },
      {
        name: bell.sound ? words.soundOff : words.soundOn,
        icon: bell.sound ? "bellOff" : "bell",
        run: () => bell.turn(!bell.sound),
      },
      { name: words.notifications, icon: "bell", run: () => void this.allowNotifications() },
      {
        name: shortcuts.on ? words.shortcutsOff : words.shortcutsOn,
        icon: "keyboard",
        run: () => this.turnShortcuts(!shortcuts.on),
      },
      command("help", words.shortcuts, "keyboard"),
      ...(signOut
        ? [{ name: words.signOut, icon: /** @type {const} */ ("out"), run: signOut }]
        : []),
    ];
  }

  /**
   * The buttons above a conversation.
   *
   * @param {State} state
   */
  buttons(state) {
    const { desk, run } = this.#with;
    const words = texts.actions;
    const own = state.assignee === desk.me.id;
    const closed = statusOf(state, desk.now()) === "closed";
    const button = (
      /** @type {Command} */ command,
      /** @type {string} */ name,
      /** @type {import("./icons.js").IconName} */ iconName,
      /** @type {boolean} */ wordy,
    ) => {
      const element = h(
        "button",
        {
          type: "button",
          class: wordy ? "button tool" : "icon-button tool",
          title: `${name}  ${keyOf(command)}`,
          "aria-label": name,
          "data-command": command,
        },
        icon(iconName),
        wordy ? h("span", {}, name) : null,
      );
      element.addEventListener("click", () => run(command));
      return element;
    };
    return [
      ...(own || closed ? [] : [button("claim", words.claim, "mine", state.assignee === null)]),
      button("label", words.label, "label", false),
      button("snooze", words.snooze, "snoozed", false),
      button("close", closed ? words.reopen : words.close, closed ? "reopen" : "check", true),
    ];
  }
}
