/** @file What a site loads: a button, and the chat in a frame once it is opened. */

/** @typedef {Record<string, any>} Values */

const base = new URL(".", import.meta.url);
const script = /** @type {HTMLScriptElement | undefined} */ (
  [...document.scripts].find((each) => each.src === import.meta.url && each.dataset.tenant)
);
/** @type {Values} */
const options = { ...script?.dataset };
const tenant = String(options.tenant ?? "");
const key = `parlor:${base.host}:${tenant}`;
const ACCENT = matchMedia("(prefers-color-scheme: dark)").matches ? "#2dd4bf" : "#0f766e";
const phone = matchMedia("(max-width: 480px)");
/** @type {Values} */
const WORDS = { pl: "Czat", tr: "Sohbet", ja: "チャット", zh: "聊天", ar: "الدردشة" };

const STYLE = `
:host{all:initial;position:fixed;z-index:var(--parlor-z,2147483000);
bottom:var(--parlor-offset-block,20px);right:var(--parlor-offset-inline,20px)}
:host(.left){right:auto;left:var(--parlor-offset-inline,20px)}
*{box-sizing:border-box}
button{all:unset;box-sizing:border-box;cursor:pointer;display:flex;align-items:center;gap:8px;
position:relative;min-width:56px;height:56px;padding:0 15px;border-radius:28px;
background:var(--accent);color:var(--on);font:600 15px/1 system-ui,sans-serif;
box-shadow:0 8px 24px rgb(0 0 0/.24);transition:transform .18s}
button:hover{transform:translateY(-1px)}
button:focus-visible{outline:3px solid var(--accent);outline-offset:3px}
button[hidden]{display:none}
svg{width:26px;height:26px;fill:none;stroke:currentColor;stroke-width:1.8;stroke-linecap:round;stroke-linejoin:round}
b{position:absolute;top:-4px;right:-4px;min-width:22px;height:22px;padding:0 6px;border-radius:11px;
background:#c81e1e;color:#fff;font:700 12px/22px system-ui,sans-serif;text-align:center}
b:empty,span:empty{display:none}
div{position:absolute;bottom:calc(100% + 14px);right:0;width:var(--parlor-width,400px);max-width:calc(100vw - 40px);
height:var(--parlor-height,680px);max-height:calc(100vh - 110px);max-height:calc(100dvh - 110px);
border-radius:var(--parlor-radius,16px);overflow:hidden;background:Canvas;color-scheme:light dark;
box-shadow:0 8px 48px rgb(0 0 0/.24);
transition:opacity .18s,transform .18s,visibility 0s}
:host(.left) div{right:auto;left:0}
div:not(.open){visibility:hidden;opacity:0;transform:translateY(12px);pointer-events:none;transition-delay:0s,0s,.18s}
iframe{display:block;width:100%;height:100%;border:0}
@media(max-width:480px){div{position:fixed;inset:0!important;width:100%;max-width:none;height:100%;max-height:none;border-radius:0}
div.open+button{visibility:hidden}}
@media(prefers-reduced-motion:reduce){*{transition:none!important}}`;

/** @type {Values} */
let kept = {};
/** Other tabs write there too. @returns {Values} */
function stored() {
  try {
    return JSON.parse(localStorage.getItem(key) ?? "{}");
  } catch {
    return kept;
  }
}
kept = stored();

/** @param {Values} values */
function keep(values, before = stored()) {
  kept = { ...before, ...values };
  try {
    localStorage.setItem(key, JSON.stringify(kept));
  } catch {
    // Forgotten with the page.
  }
}

const listeners = new EventTarget();
/** @param {string} name @param {Values} [detail] */
const tell = (name, detail) => listeners.dispatchEvent(new CustomEvent(name, { detail }));

const host = document.createElement("parlor-chat");
const root = host.attachShadow({ mode: "open" });
const sheet = new CSSStyleSheet();
sheet.replaceSync(STYLE);
root.adoptedStyleSheets = [sheet];
const panel = document.createElement("div");
panel.setAttribute("role", "dialog");
const button = document.createElement("button");
const label = document.createElement("span");
const badge = document.createElement("b");
const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
const icon = document.createElementNS("http://www.w3.org/2000/svg", "svg");
icon.setAttribute("viewBox", "0 0 24 24");
icon.setAttribute("aria-hidden", "true");
icon.append(path);
button.append(icon, label, badge);
root.append(panel, button);

/** @type {HTMLIFrameElement | undefined} */
let frame;
let ready = false;
let opened = false;
let unread = 0;
/** @type {(() => string | Promise<string>) | undefined} */
let fetchToken;
/** @type {any} */
let before;
/** @type {Element[]} */
let covered = [];

/** @param {string} color */
function rgb(color) {
  const pen = document.createElement("canvas").getContext("2d");
  if (!pen || !CSS.supports("color", color)) return;
  pen.fillStyle = color;
  pen.fillRect(0, 0, 1, 1);
  return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
}

/** White where that has 4.5:1, else black, which then has more. @param {number[]} parts */
function textOn(parts) {
  const [r = 0, g = 0, b = 0] = parts.map((part) =>
    part > 10 ? ((part / 255 + 0.055) / 1.055) ** 2.4 : part / 3294.6,
  );
  return 1.05 / (0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05) < 4.5 ? "#000" : "#fff";
}

function paint() {
  const { position, launcher, locale, team } = options;
  const rtl = getComputedStyle(host).direction === "rtl";
  host.classList.toggle(
    "left",
    position === "left" || ((position === "start") !== rtl && position !== "right"),
  );
  const own = options.color ?? getComputedStyle(host).getPropertyValue("--parlor-color").trim();
  const parts = own && rgb(own);
  const accent = parts ? `rgb(${parts})` : ACCENT;
  const on = textOn(parts || rgb(ACCENT) || []);
  host.style.setProperty("--accent", accent);
  host.style.setProperty("--on", on);
  button.hidden = launcher === "none";
  label.textContent = launcher && launcher !== "none" ? launcher : "";
  const language = String(locale || document.documentElement.lang || navigator.language);
  const word = WORDS[language.slice(0, 2).toLowerCase()] ?? "Chat";
  button.ariaLabel = (label.textContent || word) + (unread ? ` (${unread})` : "");
  button.ariaExpanded = String(opened);
  panel.ariaLabel = team || word;
  const modal = opened && phone.matches;
  panel.ariaModal = String(modal);
  // What the chat of a phone covers cannot be reached.
  covered.forEach((each) => each.removeAttribute("inert"));
  covered = modal
    ? [...document.body.children].filter((each) => each !== host && !each.matches("[inert]"))
    : [];
  covered.forEach((each) => each.setAttribute("inert", ""));
  badge.textContent = unread && !opened ? (unread > 9 ? "9+" : `${unread}`) : "";
  path.setAttribute(
    "d",
    opened
      ? "M6 9.5l6 6 6-6"
      : "M21 11.5a8.4 8.4 0 0 1-12.3 7.4L3.5 20.5l1.6-4.9A8.4 8.4 0 1 1 21 11.5zM8.5 10h7M8.5 13.5h4.5",
  );
  send({
    type: "options",
    options: { ...options, locale: language, ...(parts && { accent, on }) },
    shown: opened,
  });
}

/** @param {Values} message */
function send(message) {
  if (ready) frame?.contentWindow?.postMessage({ parlor: 1, ...message }, base.origin);
}

function restart() {
  const loads = opened || (frame && fetchToken);
  frame?.remove();
  frame = undefined;
  unread = 0;
  if (loads) load();
  paint();
}

function load() {
  if (frame) return;
  ready = false;
  frame = document.createElement("iframe");
  frame.title = panel.ariaLabel ?? "Chat";
  frame.src = new URL(
    `widget/frame?tenant=${encodeURIComponent(tenant)}#${encodeURIComponent(location.origin)}`,
    base,
  ).href;
  panel.append(frame);
}

/** @param {boolean} open */
function show(open) {
  if (open === opened) return;
  opened = open;
  if (open) {
    before = document.activeElement;
    load();
  }
  panel.classList.toggle("open", open);
  paint();
  if (open) frame?.focus();
  else if (!button.hidden) button.focus();
  else before?.focus?.();
  tell(open ? "open" : "close");
}

/** @type {Record<string, (message: Values) => void>} */
const asked = {
  ready() {
    ready = true;
    send({ type: "init", kept, known: !!fetchToken });
    paint();
    if (opened) frame?.focus();
  },
  token: async () => send({ type: "identity", token: await fetchToken?.() }),
  close: () => show(false),
  keep: ({ values }) => keep(values),
  unread({ count }) {
    if (unread === count) return;
    unread = count;
    paint();
    tell("unread", { count });
  },
  sent() {
    keep({ wrote: Date.now() });
    tell("sent");
  },
};

addEventListener("message", ({ source, origin, data }) => {
  if (!frame || source !== frame.contentWindow || origin !== base.origin || data?.parlor !== 1)
    return;
  if (Object.hasOwn(asked, data.type)) asked[data.type]?.(data);
});
button.addEventListener("click", () => show(!opened));
host.addEventListener("keydown", (event) => event.key === "Escape" && show(false));
phone.addEventListener("change", paint);

const idle = () =>
  new Promise((then) => globalThis.requestIdleCallback?.(then) ?? setTimeout(then, 200));

async function mount() {
  if (document.readyState !== "complete")
    await new Promise((then) => addEventListener("load", then));
  await idle();
  document.body.append(host);
  paint();
  // Who wrote lately is told of answers.
  if (Date.now() - (kept.wrote ?? 0) < 7 * 86_400_000) void idle().then(load);
}

if (tenant && !("Parlor" in window)) {
  const mounted = mount();
  /** @type {Record<string, (...given: any[]) => any>} */
  const Parlor = {
    open: () => mounted.then(() => show(true)),
    close: () => mounted.then(() => show(false)),
    identify(fetcher) {
      fetchToken = fetcher;
      void mounted.then(restart);
    },
    logout() {
      fetchToken = undefined;
      keep({ credential: "token", scope: Math.random().toString(36).slice(2) }, {});
      void mounted.then(restart);
    },
    set(values) {
      Object.assign(options, values);
      void mounted.then(paint);
    },
    on(name, listener) {
      const hear = (/** @type {any} */ event) => listener(event.detail);
      listeners.addEventListener(name, hear);
      return () => listeners.removeEventListener(name, hear);
    },
  };
  Object.assign(window, { Parlor });
}
