/**
 * @file Who this visitor is. A cookie of its own for each site that shows the chat comes first;
 *   where the browser does not keep it, a token, which the loader keeps in the site's storage.
 */

/** @import {Values} from "./bridge.js" */

import { ParlorClient } from "../client/parlor.js";

const TOKEN = "parlor:token:";
const DRAFT = "parlor:draft:";
const TRY_AGAIN_MS = [1000, 2000, 4000, 8000, 16_000];
const TIMEOUT_MS = 15_000;

/**
 * @typedef {object} Place
 * @property {URL} base
 * @property {string} tenantId
 * @property {string | undefined} publishableKey
 * @property {(() => Promise<string>) | undefined} identify where the site says who its visitor is
 */

/**
 * The client of this visitor; it is not connected yet.
 *
 * @param {Place} place
 * @param {Values} kept what the loader keeps
 * @param {(values: Values) => void} keep
 * @param {(final: boolean) => void} trouble is called when the server cannot be asked, before it is
 *   asked again; or finally, where it refuses
 * @returns {Promise<ParlorClient | undefined>} nobody's where the server refuses
 */
export async function visitorAt(place, kept, keep, trouble) {
  let { credential } = kept;
  if (place.identify) credential = "token";
  else if (credential !== "token" && credential !== "cookie") {
    const sticks = await untilKnown(place, trouble);
    if (sticks === undefined) return undefined;
    credential = sticks ? "cookie" : "token";
    keep({ credential });
  }
  const { base, tenantId, publishableKey, identify } = place;
  const identity = typeof kept.scope === "string" ? kept.scope : "visitor";
  const storage = new FrameStorage(kept, keep);
  storage.forgetOthersDrafts(tenantId, identity);
  return new ParlorClient({
    baseUrl: base.href,
    tenantId,
    credential,
    publishableKey,
    identity,
    identify,
    storage,
    client: "widget/1",
  });
}

/** @param {Place} place @param {(final: boolean) => void} trouble */
async function untilKnown(place, trouble) {
  for (let tries = 0; ; tries++) {
    try {
      return await cookieSticks(place);
    } catch (thrown) {
      const final = thrown instanceof Refused;
      trouble(final);
      if (final) return undefined;
      const ms = TRY_AGAIN_MS[Math.min(tries, TRY_AGAIN_MS.length - 1)] ?? 0;
      await new Promise((resolve) => setTimeout(resolve, ms * (0.5 + Math.random() / 2)));
    }
  }
}

/**
 * Whether the cookie of a first answer comes back with a second request: then both are one
 * visitor's. Nothing is written on the server before a visitor's first message.
 *
 * @param {Place} place
 */
async function cookieSticks(place) {
  const first = await session(place);
  return first === (await session(place));
}

/** The server does not take this visitor at all. */
class Refused extends Error {}

/** @param {Place} place @returns {Promise<string>} the visitor's conversation */
async function session({ base, tenantId, publishableKey }) {
  const response = await fetch(new URL("api/chat/session", base), {
    method: "POST",
    headers: {
      "Content-Type": "application/json",
      "X-Tenant-ID": tenantId,
      ...(publishableKey && { Authorization: `Bearer ${publishableKey}` }),
    },
    body: JSON.stringify({ tenantId }),
    credentials: "include",
    cache: "no-store",
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  // What the client itself would not ask again: docs/PROTOCOL.md, "Errors".
  if ([400, 401, 403, 404].includes(response.status)) throw new Refused();
  if (!response.ok) throw new Error(`no session: ${response.status}`);
  const { conversationId } = await response.json();
  return String(conversationId);
}

/**
 * The frame's own storage, or memory where that is forbidden; the visitor's token lies with the
 * loader, since a browser that drops the frame's cookie may drop the frame's storage too.
 *
 * @implements {Storage}
 */
class FrameStorage {
  #kept;
  #keep;
  #under = ownStorage();

  /** @param {Values} kept @param {(values: Values) => void} keep */
  constructor(kept, keep) {
    this.#kept = kept;
    this.#keep = keep;
  }

  get length() {
    return this.#under.length;
  }

  /** @param {number} index */
  key(index) {
    return this.#under.key(index);
  }

  /** @param {string} key @returns {string | null} */
  getItem(key) {
    if (!key.startsWith(TOKEN)) return this.#under.getItem(key);
    return typeof this.#kept.token === "string" ? this.#kept.token : null;
  }

  /** @param {string} key @param {string} value */
  setItem(key, value) {
    if (!key.startsWith(TOKEN)) return this.#under.setItem(key, value);
    this.#kept.token = value;
    this.#keep({ token: value });
  }

  /** @param {string} key */
  removeItem(key) {
    if (!key.startsWith(TOKEN)) return this.#under.removeItem(key);
    this.#kept.token = undefined;
    this.#keep({ token: undefined });
  }

  clear() {
    this.#under.clear();
  }

  /**
   * After a logout the next to write here is somebody else, who must not find what was left.
   *
   * @param {string} tenantId
   * @param {string} identity
   */
  forgetOthersDrafts(tenantId, identity) {
    const of = (/** @type {string} */ key) => key.slice(DRAFT.length).split("/").slice(1, 3);
    const keys = Array.from({ length: this.length }, (_, index) => this.key(index) ?? "");
    for (const key of keys.filter((each) => each.startsWith(DRAFT))) {
      const [tenant, whose] = of(key).map(decodeURIComponent);
      if (tenant === tenantId && whose !== identity) this.removeItem(key);
    }
  }
}

/** @returns {Storage} */
function ownStorage() {
  try {
    const { localStorage } = globalThis;
    localStorage.getItem(TOKEN);
    return localStorage;
  } catch {
    return new MemoryStorage();
  }
}

/** @implements {Storage} */
class MemoryStorage {
  /** @type {Map<string, string>} */
  #items = new Map();

  get length() {
    return this.#items.size;
  }

  /** @param {number} index */
  key(index) {
    return [...this.#items.keys()][index] ?? null;
  }

  /** @param {string} key */
  getItem(key) {
    return this.#items.get(key) ?? null;
  }

  /** @param {string} key @param {string} value */
  setItem(key, value) {
    this.#items.set(key, value);
  }

  /** @param {string} key */
  removeItem(key) {
    this.#items.delete(key);
  }

  clear() {
    this.#items.clear();
  }
}
