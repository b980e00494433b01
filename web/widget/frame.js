/**
 * @file The chat inside the widget's frame: waits for the page around it to say how it should look,
 *   finds out who the visitor is, and shows the conversation.
 */

/** @import {Values} from "./bridge.js" */
/** @import {Language} from "./texts.js" */

import { Away, Prechat } from "./asking.js";
import { Bridge } from "./bridge.js";
import { Composer } from "./composer.js";
import { Conversation } from "./conversation.js";
import { find, say } from "./find.js";
import { RatingPanel } from "./rating.js";
import { languageOf } from "./texts.js";
import { Thread } from "./thread.js";
import { visitorAt } from "./visitor.js";

/** A connection that is back within this time is not worth a word. */
const PATIENCE_MS = 1500;
/** So long a site may take to say who its visitor is. */
const SITE_ANSWERS_MS = 15_000;

const tenantId = new URLSearchParams(location.search).get("tenant") ?? "";
const conversation = new Conversation();

/** What the loader keeps. @type {Values} */
let kept = {};
/** What the site has set. @type {Values} */
let options = {};
/** @type {Language | undefined} */
let language;
/** The chat is open, and not a frame that waits for answers. */
let shown = false;
let begun = false;
/** The language that was asked for last. */
let wanted = "";
/** How many unread answers were told last. */
let counted = 0;
/** What was told last of the visitor. */
let told = "{}";
/** The site says who its visitor is. */
let identified = false;
/** Whoever waits for the site's word. @type {(token: unknown) => void} */
let hear = () => {};
/** Whether the server could not be reached for some time. */
let cutOff = false;
/** The server wants nothing of this site, or of this tenant. */
let turnedAway = false;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let patience;

const bridge = new Bridge({
  init(message) {
    kept = { ...message.kept };
    identified = message.known === true;
  },
  options(message) {
    options = message.options ?? {};
    const opens = message.shown === true && !shown;
    shown = message.shown === true;
    void begin().then(() => {
      if (opens) focus();
      show();
    });
  },
  identity: ({ token }) => hear(token),
});

/** @param {Values} values */
function keep(values) {
  Object.assign(kept, values);
  bridge.tell("keep", { values });
}

/** @type {Thread | undefined} */
let thread;
/** @type {Composer | undefined} */
let composer;
/** @type {Prechat | undefined} */
let prechat;
/** @type {Away | undefined} */
let away;
/** @type {RatingPanel | undefined} */
let rating;

/** Speaks the language that is set; the first time, comes online too. */
async function begin() {
  const locale = String(options.locale ?? navigator.language);
  paint();
  if (language === undefined || locale !== wanted) {
    wanted = locale;
    language = await languageOf(locale);
    document.documentElement.lang = language.locale;
    document.documentElement.dir = language.direction;
  }
  if (!begun) {
    begun = true;
    thread = new Thread(conversation, language);
    prechat = new Prechat(conversation, kept, keep);
    const ready = prechat.ready.bind(prechat);
    composer = new Composer(conversation, ready);
    away = new Away(conversation, kept, keep);
    rating = new RatingPanel(conversation, kept, keep);
    conversation.addEventListener("change", show);
    conversation.addEventListener("sent", () => bridge.tell("sent"));
    void comeOnline();
  }
  tellProfile();
  speak(language);
  document.body.classList.remove("starting");
}

async function comeOnline() {
  const publishableKey = typeof options.key === "string" ? options.key : undefined;
  const place = {
    base: new URL("../", location.href),
    tenantId,
    publishableKey,
    identify: identified ? siteToken : undefined,
  };
  const client = await visitorAt(place, kept, keep, (final) => {
    [cutOff, turnedAway] = [true, final];
    show();
  });
  if (!client) return;
  conversation.attach(client);
  conversation.connect();
}

/** A JWT of the site's server, new for each time that it is wanted. @returns {Promise<string>} */
function siteToken() {
  return new Promise((resolve, reject) => {
    const silent = setTimeout(() => hear(undefined), SITE_ANSWERS_MS);
    hear = (token) => {
      clearTimeout(silent);
      if (typeof token === "string") resolve(token);
      else reject(new Error("the site does not say who its visitor is"));
    };
    bridge.tell("token");
  });
}

/** Tells the team what the site says of its visitor, once for each time that it is another. */
function tellProfile() {
  const { name, email, attributes } = options;
  const profile = {
    ...(name && { name }),
    ...(email && { email }),
    ...(attributes && { attributes }),
  };
  const text = JSON.stringify(profile);
  if (text !== told) void conversation.tellProfile(profile);
  told = text;
}

/** The colours that the site has set. */
function paint() {
  const { style, dataset } = document.documentElement;
  for (const [name, value] of [
    ["--accent", options.accent],
    ["--accent-strong", options.accent],
    ["--on-accent", options.on],
  ]) {
    if (typeof value === "string") style.setProperty(String(name), value);
    else style.removeProperty(String(name));
  }
  if (typeof options.on === "string") dataset.accent = options.on === "#000" ? "light" : "dark";
  else delete dataset.accent;
}

/** @param {Language} spoken */
function speak(spoken) {
  const { texts } = spoken;
  const team = String(options.team || texts.title);
  document.title = team;
  say(find("team"), team);
  say(find("face"), [...team][0]?.toLocaleUpperCase(spoken.locale) ?? "");
  find("greeting").textContent = String(options.greeting || texts.greeting);
  find("greeting-more").textContent = texts.greetingMore;
  for (const [id, text] of [
    ["close", texts.close],
    ["end", texts.end],
  ]) {
    const button = find(String(id));
    button.ariaLabel = button.title = String(text);
  }
  find("close").hidden = bridge.alone;
  thread?.speak(spoken);
  prechat?.speak(texts, options.prechat);
  away?.speak(texts);
  rating?.speak(texts);
  composer?.speak(texts);
}

/** Brings everything to what the conversation is now. */
function show() {
  if (!language) return;
  const { texts } = language;
  const { begun: wrote, here, lines, loaded, state, status, refused } = conversation;
  notice();
  find("welcome").hidden = !loaded || lines.length > 0;
  find("end").hidden = !(loaded && wrote && status === "open");
  prechat?.show();
  away?.show();
  rating?.show();
  composer?.show(texts);
  thread?.show();
  const whether = here ? texts.here : here === false ? (away?.promise ?? "") : texts.soon;
  say(find("state"), loaded || state === "closed" ? whether : texts.connecting);
  document.body.classList.toggle("here", here === true && state === "online");
  const trouble = find("trouble");
  trouble.hidden = !cutOff && !refused;
  say(trouble, refused || turnedAway ? texts.refused : texts.offline);
  showTyping();
  seen();
}

/** Says that there is no connection only where that lasts. */
function notice() {
  const { state } = conversation;
  if (state === "online" || state === "closed") {
    clearTimeout(patience);
    patience = undefined;
    cutOff = false;
  } else if (!cutOff) {
    patience ??= setTimeout(() => {
      cutOff = conversation.state === "waiting" || !navigator.onLine;
      patience = undefined;
      if (cutOff) show();
    }, PATIENCE_MS);
  }
}

function showTyping() {
  const names = [...conversation.typing];
  const typing = find("typing");
  const was = typing.hidden;
  typing.hidden = names.length === 0;
  if (!language || names.length === 0) return;
  const name = names.find((each) => each !== "") ?? language.texts.agent;
  say(find("typing-text"), language.texts.typing.replace("{name}", name));
  if (was) thread?.show();
}

/** What the visitor looks at was read; what came meanwhile is counted on the button. */
function seen() {
  if (!conversation.loaded) return;
  const looks = (shown || bridge.alone) && document.visibilityState === "visible";
  const theirs = conversation.lines.filter(({ own }) => !own);
  const last = theirs.at(-1)?.at ?? "";
  // Who was here before anything was kept has read what there is.
  if ((looks || typeof kept.seen !== "string") && kept.seen !== last) keep({ seen: last });
  if (looks) conversation.tellRead();
  const count = looks ? 0 : theirs.filter(({ at }) => at > kept.seen).length;
  if (count !== counted) bridge.tell("unread", { count });
  counted = count;
}

/** Where the reader goes on: a keyboard that comes up by itself would cover half of a phone. */
function focus() {
  thread?.toEnd();
  if (matchMedia("(pointer: coarse)").matches) find("team").focus();
  else composer?.focus();
}

find("close").addEventListener("click", () => bridge.tell("close"));
find("end").addEventListener("click", () => {
  conversation.end().then(
    () => find("rating-title").focus(),
    () => {},
  );
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !event.isComposing) bridge.tell("close");
});
document.addEventListener("visibilitychange", show);

if (bridge.alone) {
  shown = true;
  void begin().then(focus);
} else {
  bridge.tell("ready");
}
