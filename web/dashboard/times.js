/** @file Times as people say them. Everything is made by `Intl` in the browser's language. */

import { texts } from "../ui/texts/dashboard.en.js";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "short" });
const dayMonth = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const whole = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "short" });
const longDay = new Intl.DateTimeFormat(undefined, {
  weekday: "long",
  day: "numeric",
  month: "long",
});
const soon = new Intl.DateTimeFormat(undefined, {
  weekday: "short",
  hour: "2-digit",
  minute: "2-digit",
});
const later = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const ago = new Intl.RelativeTimeFormat(undefined, { style: "narrow", numeric: "auto" });

/** @param {Date | number} time */
function midnight(time) {
  const day = new Date(time);
  day.setHours(0, 0, 0, 0);
  return day.getTime();
}

/** The hour and minute. @param {string | number | Date} time */
export function hour(time) {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? "" : clock.format(date);
}

/** Everything there is to say about a time, for a tooltip. @param {string} time */
export function full(time) {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? "" : whole.format(date);
}

/**
 * How long ago, as short as a list wants it.
 *
 * @param {string} time
 * @param {number} now
 */
export function short(time, now) {
  const date = new Date(time);
  const at = date.getTime();
  if (Number.isNaN(at)) return "";
  const gone = now - at;
  if (gone < MINUTE) return ago.format(0, "second");
  if (gone < HOUR) return ago.format(-Math.floor(gone / MINUTE), "minute").replace(/ ago$/, "");
  if (midnight(now) <= at) return clock.format(date);
  if (midnight(now) - 6 * DAY <= at) return weekday.format(date);
  return dayMonth.format(date);
}

/** The day, for a line between days. @param {string} time @param {number} now */
export function day(time, now) {
  const at = midnight(new Date(time));
  if (at === midnight(now)) return texts.thread.today;
  if (at === midnight(midnight(now) - HOUR)) return texts.thread.yesterday;
  return longDay.format(new Date(time));
}

/** Whether two times lie on one day. @param {string} one @param {string} other */
export function sameDay(one, other) {
  return midnight(new Date(one)) === midnight(new Date(other));
}

/** A time that is still to come. @param {string} time @param {number} now */
export function upcoming(time, now) {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return "";
  return date.getTime() - now < 6 * DAY ? soon.format(date) : later.format(date);
}

/**
 * The choices for a snooze.
 *
 * @param {number} now
 * @returns {{key: "hour" | "tomorrow" | "monday", until: Date}[]}
 */
export function snoozeChoices(now) {
  const tomorrow = new Date(now);
  tomorrow.setDate(tomorrow.getDate() + 1);
  tomorrow.setHours(9, 0, 0, 0);
  const monday = new Date(now);
  // On a Monday the next one is a week away.
  monday.setDate(monday.getDate() + ((8 - monday.getDay()) % 7 || 7));
  monday.setHours(9, 0, 0, 0);
  return [
    { key: "hour", until: new Date(now + HOUR) },
    { key: "tomorrow", until: tomorrow },
    { key: "monday", until: monday },
  ];
}
