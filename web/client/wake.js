/** @file The browser's signs that the connection may have changed or died. */

/**
 * How often to look whether the computer slept, and how late a tick must be to count as sleep. A
 * browser delays timers of hidden tabs by up to a minute, which does not count.
 */
const TICK_MS = 20_000;
const SLEEP_MS = 180_000;

/**
 * `online` and `offline`: the network changed; `visible`: someone looks again; `slept`: timers
 * stood still.
 *
 * @typedef {"online" | "offline" | "visible" | "slept"} WakeReason
 */

/** Listens to the page; does nothing where there is none. */
export class Wake {
  #stop = new AbortController();
  #timer;

  /** @param {(reason: WakeReason) => void} wake */
  constructor(wake) {
    const { signal } = this.#stop;
    globalThis.addEventListener?.("online", () => wake("online"), { signal });
    globalThis.addEventListener?.("offline", () => wake("offline"), { signal });
    globalThis.document?.addEventListener(
      "visibilitychange",
      () => document.visibilityState === "visible" && wake("visible"),
      { signal },
    );
    let last = Date.now();
    this.#timer = setInterval(() => {
      const now = Date.now();
      if (now - last > SLEEP_MS) wake("slept");
      last = now;
    }, TICK_MS);
  }

  /** Stops listening. */
  stop() {
    this.#stop.abort();
    clearInterval(this.#timer);
  }
}
