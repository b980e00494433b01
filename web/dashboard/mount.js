/**
 * @file Puts the dashboard into a page, which says where tokens come from.
 *
 * ```js
 * import { mount } from "https://chat.example/dashboard/mount.js";
 *
 * await mount(document.getElementById("dashboard"), {
 *   tenantId: "shop",
 *   getToken: async () => (await fetch("/chat-token", { method: "POST" })).text(),
 * });
 * ```
 *
 * The page links the style sheets that `index.html` links.
 */

import { Api } from "./api.js";
import { App } from "./app.js";
import { readToken } from "./token.js";

/**
 * @typedef {object} Options
 * @property {string} tenantId
 * @property {() => string | Promise<string>} getToken an agent's token, asked for again when one
 *   ends
 * @property {string | undefined} [baseUrl] where the server is; by default, where the page came
 *   from
 * @property {boolean} [beside] whether the widget stands beside it, as on the first page
 * @property {(error: Error) => void} [onEnded] the server takes the token no more
 * @property {(() => void) | undefined} [signOut]
 */

/**
 * @param {Element} root
 * @param {Options} options
 * @returns {Promise<{connect: () => void, close: () => void}>} to connect again after `onEnded`
 */
export async function mount(
  root,
  { tenantId, getToken, baseUrl, beside = false, onEnded, signOut },
) {
  const first = await getToken();
  const me = readToken(first);
  if (!me) throw new Error("getToken gave no token of an agent.");
  /** @type {string | undefined} */
  let fresh = first;
  const token = async () => {
    const had = fresh;
    fresh = undefined;
    return had ?? getToken();
  };
  const api = new Api({ baseUrl, tenantId, token });
  const scope = [new URL(baseUrl ?? location.origin, location.href).href, tenantId];
  const app = new App(api, me, { scope, beside, signOut });
  root.replaceChildren(app.element);
  if (onEnded) api.on("ended", onEnded);
  api.connect();
  return { connect: () => api.connect(), close: () => api.close() };
}
