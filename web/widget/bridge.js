/**
 * @file What the frame and the page around it say to each other. The page's origin comes with the
 *   frame's address; only the tenant's pages may have the frame, and only its own parent is heard.
 */

/** @typedef {Record<string, any>} Values */

export class Bridge {
  #origin;
  /** @type {Record<string, (message: Values) => void>} */
  #hears;

  /** @param {Record<string, (message: Values) => void>} hears by the message's type */
  constructor(hears) {
    this.#origin = originOf(location.hash);
    this.#hears = hears;
    addEventListener("message", (event) => this.#hear(event));
  }

  /** Whether the chat is a page by itself, with no page around it. */
  get alone() {
    return parent === window;
  }

  /** @param {string} type @param {Values} [more] */
  tell(type, more = {}) {
    if (this.alone || this.#origin === undefined) return;
    parent.postMessage({ parlor: 1, type, ...more }, this.#origin);
  }

  /** @param {MessageEvent} event */
  #hear({ source, origin, data }) {
    if (this.alone || source !== parent || origin !== this.#origin) return;
    if (typeof data !== "object" || data?.parlor !== 1) return;
    if (Object.hasOwn(this.#hears, data.type)) this.#hears[data.type]?.(data);
  }
}

/** @param {string} hash @returns {string | undefined} */
function originOf(hash) {
  try {
    return new URL(decodeURIComponent(hash.slice(1))).origin;
  } catch {
    return undefined;
  }
}
