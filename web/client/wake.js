/** @file The moments at which the browser lets on that the connection may have changed or died. */

/**
 * How often sleep is looked for, and how much longer than that a tick must have taken to be one:
 * timers of hidden tabs are clamped to a minute, and a minute's delay is no sleep.
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
