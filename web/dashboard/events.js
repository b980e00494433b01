/** @file Telling who listens: events with a name and one value. */

/**
 * @template {Record<string, any>} M
 */
export class Events {
  /** @type {Map<keyof M, Set<(value: any) => void>>} */
  #listeners = new Map();

  /**
   * @template {keyof M} K
   * @param {K} name
   * @param {(value: M[K]) => void} listener
   */
  on(name, listener) {
    const all = this.#listeners.get(name) ?? new Set();
    all.add(listener);
    this.#listeners.set(name, all);
  }

  /**
   * @template {keyof M} K
   * @param {K} name
   * @param {M[K]} value
   */
  tell(name, value) {
    for (const listener of this.#listeners.get(name) ?? []) listener(value);
  }
}

/**
 * Runs `work` at most once for each stretch of time, however often it is asked for, and once more
 * at its end.
 *
 * @param {number} ms
 * @param {() => void} work
 */
export function atMostEach(ms, work) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let last = -Infinity;
  return () => {
    if (timer !== undefined) return;
    timer = setTimeout(
      () => {
        timer = undefined;
        last = performance.now();
        work();
      },
      Math.max(0, last + ms - performance.now()),
    );
  };
}

/** Runs `work` before the next picture, once, however often it is asked for.
 * @param {() => void} work */
export function beforePicture(work) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      work();
    });
  };
}
