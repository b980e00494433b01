/** @file The agent, and the settings of this browser, below the views. */

/**
 * @import {Actions} from "./actions.js"
 * @import {Api} from "./api.js"
 * @import {Team} from "./team.js"
 * @import {Me} from "./types.js"
 */

import { texts } from "../ui/texts/dashboard.en.js";
import { attribute, h, say } from "./dom.js";
import { icon } from "./icons.js";
import { avatar, dressAvatar } from "./people.js";
import { META } from "./shortcuts.js";

export class Menu {
  element = h("div", { class: "me" });

  /**
   * @param {{me: Me, actions: Actions, bell: import("./bell.js").Bell, api: Api, team: Team}}
   *   parts
   */
  constructor({ me, actions, bell, api, team }) {
    const face = avatar(me.id, me.name);
    const name = h("span", { class: "me-name", dir: "auto" });
    const state = h("span", { class: "me-state" });
    const show = () => {
      const online = api.state === "online";
      this.element.classList.toggle("is-online", online);
      const away = team.isAway(me.id);
      this.element.classList.toggle("is-away", away);
      const here = away ? texts.me.away : texts.me.online;
      say(state, online ? here : texts.me.offline);
      const called = api.nameOf(me.id);
      say(name, called);
      dressAvatar(face, me.id, called);
      attribute(who, "disabled", team.known ? null : "");
    };
    const who = h(
      "button",
      { type: "button", class: "me-who", "aria-haspopup": "dialog", title: texts.me.title },
      name,
      state,
    );
    who.addEventListener("click", () => actions.me());
    api.on("state", show);
    api.on("named", show);
    team.on("changed", show);
    show();
    const sound = h("button", {
      type: "button",
      class: "icon-button",
      "aria-label": texts.actions.sound,
    });
    const ring = () => {
      sound.replaceChildren(icon(bell.sound ? "bell" : "bellOff"));
      sound.setAttribute("aria-pressed", String(bell.sound));
      sound.title = bell.sound ? texts.actions.soundOff : texts.actions.soundOn;
    };
    sound.addEventListener("click", () => {
      bell.turn(!bell.sound);
      ring();
      // The first time the sound is touched is the time to ask: a click, and about the same thing.
      if (bell.sound && bell.permission === "default") void actions.allowNotifications();
    });
    ring();
    const everything = h(
      "button",
      { type: "button", class: "everything" },
      icon("palette"),
      h("span", {}, texts.actions.palette),
      h("kbd", {}, `${META} K`),
    );
    everything.addEventListener("click", () => actions.everything());
    this.element.append(
      everything,
      h(
        "div",
        { class: "me-line" },
        face,
        who,
        sound,
      ),
    );
  }
}
