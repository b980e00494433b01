import assert from "node:assert/strict";
import { test } from "node:test";

import { ParlorError } from "../../client/errors.js";
import { Timelines } from "../../client/timelines.js";
import { until } from "../support/until.mjs";

/** @import {Message, PageQuery} from "../../client/parlor.js" */
/** @import {Page} from "../../client/rest.js" */

const PAGE = 50;
const down = new ParlorError("down", { code: "unavailable", retryable: true, retryAfterMs: 1 });

/** @param {number} n @returns {Message} */
const message = (n) => ({
  id: `m${n}`,
  text: `${n}`,
  cursor: `${n}`,
  sender: "user",
  timestamp: "",
  conversationId: "c",
});

/** One conversation, whose messages are numbered from 1 on, and the pages that are asked of it. */
class History {
  end = 0;
  /** How many of the next pages fail. */
  failing = 0;
  /** What each page waits for before it is read, and again before it is answered. */
  before = async () => {};
  after = async () => {};
  asked = 0;

  /** @param {string | undefined} _ @param {PageQuery} [query] @returns {Promise<Page>} */
  async page(_, { before, limit = PAGE } = {}) {
    this.asked += 1;
    await this.before();
    if (this.failing > 0) {
      this.failing -= 1;
      throw down;
    }
    const last = before === undefined ? this.end : Number(before) - 1;
    const first = Math.max(1, last - limit + 1);
    const messages = [];
    for (let n = first; n <= last; n += 1) messages.push(message(n));
    await this.after();
    return { messages, items: messages, hasMore: first > 1, cursor: `${this.end}` };
  }
}

/** @param {{agent?: boolean}} [options] */
function setUp({ agent = false } = {}) {
  const history = new History();
  /** @type {number[]} */
  const shown = [];
  const rest = /** @type {import("../../client/rest.js").Rest} */ (
    /** @type {unknown} */ (history)
  );
  const timelines = new Timelines(rest, agent, {
    found: () => {},
    show: (items) => shown.push(...items.map(({ id }) => Number(id?.slice(1)))),
  });
  const say = (live = true) => {
    history.end += 1;
    if (live) timelines.receive(message(history.end));
  };
  return { history, timelines, shown, say };
}

/** Waits until nothing is loaded any more. @param {History} history */
async function quiet(history) {
  for (let asked = -1; asked !== history.asked;) {
    asked = history.asked;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** @param {number} from @param {number} to */
const numbers = (from, to) => Array.from({ length: to - from + 1 }, (_, n) => from + n);

test("a gap is filled down to what was shown, also after a page that failed", async () => {
  const { history, timelines, shown, say } = setUp();
  for (let n = 0; n < 10; n += 1) say(false);
  await timelines.start();
  timelines.doubt();
  for (let n = 0; n < 120; n += 1) say(false);
  history.failing = 1;
  history.before = async () => {
    history.before = async () => {};
    // It waits for the page, and is shown at once when there is none.
    say();
  };
  timelines.mend(() => true);
  await quiet(history);
  assert.deepEqual(
    [...shown].sort((a, b) => a - b),
    numbers(1, 131),
    "each message once",
  );
  assert.equal(history.failing, 0);
});

test("what is said while history cannot be had bridges no gap", async () => {
  const { history, timelines, shown, say } = setUp();
  for (let n = 0; n < 10; n += 1) say(false);
  await timelines.start();
  timelines.doubt();
  for (let n = 0; n < 120; n += 1) say(false);
  history.failing = 1;
  timelines.mend(() => false);
  await timelines.start().catch(() => {});
  say();
  assert.equal(shown.at(-1), 131, "what is said is shown");
  // A second gap, while the first one is still open.
  timelines.doubt();
  say();
  timelines.mend(() => true);
  await quiet(history);
  say();
  assert.deepEqual(
    [...shown].sort((a, b) => a - b),
    numbers(1, 133),
    "each message once",
  );
});

test("a first page that came late is one page, and older ones come before it", async () => {
  const { history, timelines, shown, say } = setUp();
  for (let n = 0; n < 200; n += 1) say(false);
  history.failing = 1;
  await assert.rejects(timelines.start(), { code: "unavailable" });
  say();
  timelines.mend(() => true);
  await quiet(history);
  assert.deepEqual(
    [...shown].sort((a, b) => a - b),
    numbers(152, 201),
  );
  assert.equal(timelines.hasOlder(undefined), true);
  const older = await timelines.older(undefined);
  assert.deepEqual(
    older.messages.map(({ text }) => Number(text)),
    numbers(102, 151),
  );
});

test("after a gap an empty page that has older ones is no answer", async () => {
  const { history, timelines, shown, say } = setUp();
  for (let n = 0; n < 10; n += 1) say(false);
  await timelines.start();
  timelines.doubt();
  for (let n = 0; n < 5; n += 1) say(false);
  const { page } = history;
  // The log holds nothing any more, and the store does not answer.
  history.page = async () => ({ messages: [], items: [], hasMore: true, incomplete: true });
  timelines.mend(() => true);
  await quiet(history);
  history.page = page;
  await until("the gap is filled", () => shown.length === 15);
  assert.deepEqual(shown, numbers(1, 15));
});

test("a conversation that is left and opened again shows its messages once", async () => {
  const { history, timelines, shown, say } = setUp({ agent: true });
  say(false);
  say(false);
  const first = timelines.open("c");
  timelines.leave("c");
  await Promise.all([first, timelines.open("c")]);
  assert.deepEqual(shown, [1, 2]);
  assert.equal(history.asked, 2);
});

test("a conversation is open when its page is there, also if it is asked for anew", async () => {
  const { history, timelines, shown, say } = setUp({ agent: true });
  for (let n = 0; n < 60; n += 1) say(false);
  history.after = async () => {
    history.after = async () => {};
    // The page was read before this, and the subscription begins after it.
    say(false);
    timelines.doubt();
  };
  await timelines.open("c");
  assert.deepEqual(shown, numbers(12, 61));
  assert.equal(timelines.hasOlder("c"), true);
});

test("leaving a conversation keeps back nothing that was said during a load", async () => {
  const { timelines, shown, say } = setUp({ agent: true });
  const opened = timelines.open("c");
  say();
  assert.deepEqual(shown, []);
  timelines.leave("c");
  await opened;
  assert.deepEqual(shown, [1]);
});

test("older messages that cannot be reached just now can be asked for again", async () => {
  const { history, timelines, say } = setUp();
  for (let n = 0; n < 60; n += 1) say(false);
  await timelines.start();
  history.page = async () => ({ messages: [], items: [], hasMore: false, incomplete: true });
  await timelines.older(undefined);
  assert.equal(timelines.hasOlder(undefined), true);
});
