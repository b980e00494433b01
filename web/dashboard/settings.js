/** @file What an agent has set in this browser. */

/** One setting, kept where there is storage. */
export class Setting {
  #storage;
  #key;
  #value;

  /** @param {Storage | undefined} storage @param {string} name @param {string} initial */
  constructor(storage, name, initial) {
    this.#storage = storage;
    this.#key = `parlor:dashboard:${name}`;
    let kept = null;
    try {
      kept = storage?.getItem(this.#key) ?? null;
    } catch {
      // Storage that may not be read is as good as none.
    }
    this.#value = kept ?? initial;
  }

  get value() {
    return this.#value;
  }

  /** @param {string} value */
  set(value) {
    this.#value = value;
    try {
      this.#storage?.setItem(this.#key, value);
    } catch {
      // The setting holds as long as the page.
    }
  }
}

/** `localStorage` or `sessionStorage`, where reading them is allowed.
 * @param {"localStorage" | "sessionStorage"} name @returns {Storage | undefined} */
export function storageIfAllowed(name) {
  try {
    return globalThis[name];
  } catch {
    return undefined;
  }
}
