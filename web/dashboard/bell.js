/** @file Ringing and notifying, in one tab only, and the number in the tab's title. */

import { texts } from "../ui/texts/dashboard.en.js";
import { Setting } from "./settings.js";

/** A row of messages rings once. */
const QUIET_MS = 2_000;
/** The two tones, in hertz and seconds from the first. */
const TONES = [
  [659.25, 0],
  [880, 0.12],
];

export class Bell {
  #sound;
  /** Whether this is the tab that rings. */
  #rings = false;
  #rungAt = -Infinity;
  #title = document.title;
  /** @type {AudioContext | undefined} */
  #audio;

  /** How often it has rung. */
  count = 0;

  /** @param {Storage | undefined} storage @param {string} scope whose tabs share one bell */
  constructor(storage, scope) {
    this.#sound = new Setting(storage, "sound", "on");
    // Whoever gets the lock holds it as long as the tab lives; the next one takes over then.
    if (navigator.locks) {
      void navigator.locks.request(`parlor:bell:${scope}`, () => {
        this.#rings = true;
        return new Promise(() => {});
      });
    } else this.#rings = true;
  }

  get sound() {
    return this.#sound.value === "on";
  }

  /** @param {boolean} on */
  turn(on) {
    this.#sound.set(on ? "on" : "off");
    if (on) this.#play();
  }

  /** What the browser says about notifications. */
  get permission() {
    return "Notification" in globalThis ? Notification.permission : "denied";
  }

  /** Only after a click. @returns {Promise<boolean>} */
  async allow() {
    if (!("Notification" in globalThis)) return false;
    return (await Notification.requestPermission()) === "granted";
  }

  /** @param {number} unread */
  show(unread) {
    document.title = unread > 0 ? `(${unread > 99 ? "99+" : unread}) ${this.#title}` : this.#title;
  }

  /**
   * A visitor wrote.
   *
   * @param {string} name
   * @param {string} text
   * @param {{seen: boolean, tag: string, open: () => void}} how whether the agent looks at it now
   */
  ring(name, text, { seen, tag, open }) {
    if (!this.#rings) return;
    const now = performance.now();
    if (now - this.#rungAt < QUIET_MS) return;
    this.#rungAt = now;
    this.count += 1;
    document.documentElement.dataset.rang = String(this.count);
    if (this.sound) this.#play();
    if (seen || this.permission !== "granted") return;
    try {
      const notification = new Notification(texts.bell.title(name), {
        body: text.slice(0, 140),
        tag,
      });
      notification.onclick = () => {
        window.focus();
        open();
        notification.close();
      };
    } catch {
      // Some browsers allow notifications to service workers alone.
    }
  }

  #play() {
    try {
      this.#audio ??= new AudioContext();
      const audio = this.#audio;
      // Before the first click on the page a browser keeps it silent, and that is as it should be.
      void audio.resume().catch(() => {});
      for (const [hertz = 0, after = 0] of TONES) {
        const at = audio.currentTime + after;
        const [tone, volume] = [audio.createOscillator(), audio.createGain()];
        tone.type = "sine";
        tone.frequency.value = hertz;
        volume.gain.setValueAtTime(0, at);
        volume.gain.linearRampToValueAtTime(0.12, at + 0.015);
        volume.gain.exponentialRampToValueAtTime(0.0001, at + 0.5);
        tone.connect(volume).connect(audio.destination);
        tone.start(at);
        tone.stop(at + 0.55);
      }
    } catch {
      // Without sound the title and the list tell all the same.
    }
  }
}
