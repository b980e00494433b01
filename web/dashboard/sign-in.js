/** @file Where a token comes from: the development server, or a field to paste one into. */

import { texts } from "../ui/texts/dashboard.en.js";
import { freshId, h, say } from "./dom.js";
import { storageIfAllowed } from "./settings.js";
import { readToken } from "./token.js";

const KEY = "parlor:dashboard:token";

/**
 * The development server's token, for this page alone; nothing where the server is not in
 * development mode.
 *
 * @param {string} tenantId
 * @param {string | null} agent one of several, so that two can be opened side by side
 */
export async function developmentToken(tenantId, agent) {
  const query = new URLSearchParams({ tenantId, ...(agent && { agent }) });
  const response = await fetch(`/demo/agent-token?${query}`, { cache: "no-store" });
  if (response.status === 404) return undefined;
  if (!response.ok) throw new Error(`The server gave no token: ${response.status}.`);
  return /** @type {{token: string}} */ (await response.json()).token;
}

/** The token that was pasted, kept as long as the tab. */
export class PastedToken {
  #storage = storageIfAllowed("sessionStorage");
  #value;

  constructor() {
    this.#value = this.#storage?.getItem(KEY) ?? undefined;
  }

  /** The token, unless it has ended. */
  get value() {
    const ends = this.#value && readToken(this.#value)?.endsAt;
    return ends && ends > Date.now() ? this.#value : undefined;
  }

  /** @param {string | undefined} token */
  keep(token) {
    this.#value = token;
    try {
      if (token === undefined) this.#storage?.removeItem(KEY);
      else this.#storage?.setItem(KEY, token);
    } catch {
      // It holds as long as the page.
    }
  }
}

/** @type {Promise<string> | undefined} */
let asking;

/**
 * Asks for a token, once, however many requests want one. What lies below stays as it is.
 *
 * @param {string} [why] above the field
 * @returns {Promise<string>}
 */
export function askForToken(why) {
  asking ??= ask(why).finally(() => (asking = undefined));
  return asking;
}

/** @param {string} [why] @returns {Promise<string>} */
function ask(why) {
  const words = texts.signIn;
  const id = freshId("token");
  const field = h("textarea", {
    id,
    class: "input token-field",
    rows: "4",
    autocomplete: "off",
    spellcheck: "false",
    required: true,
  });
  const problem = h("p", { class: "problem", role: "alert" });
  const form = h(
    "form",
    { class: "sign-in-form" },
    h("span", { class: "brand-mark large", "aria-hidden": "true" }),
    h("h1", {}, words.title),
    why ? h("p", { class: "sign-in-why" }, why) : null,
    h("p", { class: "sign-in-hint" }, words.hint),
    h("label", { for: id }, words.field),
    field,
    problem,
    h("button", { type: "submit", class: "button primary" }, words.go),
  );
  const dialog = h("dialog", { class: "sign-in" }, form);
  document.body.append(dialog);
  // There is nothing to go back to.
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  dialog.showModal();
  return new Promise((resolve) => {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const token = field.value.trim();
      if (!readToken(token)) {
        say(problem, words.notAToken);
        return;
      }
      dialog.remove();
      resolve(token);
    });
    field.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey) return;
      event.preventDefault();
      form.requestSubmit();
    });
  });
}
