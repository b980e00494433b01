import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { Link } from "../../client/link.js";

/** @typedef {Record<string, any> & {type: string}} Frame */

/** A socket whose other end is the test. */
class Socket {
  static OPEN = 1;
  static CLOSED = 3;
  readyState = Socket.OPEN;
  /** @type {Frame[]} */
  sent = [];
  /** @type {(() => void) | null} */
  onopen = null;
  /** @type {((event: {data: string}) => void) | null} */
  onmessage = null;
  /** @type {Socket} */
  static last;

  constructor() {
    Socket.last = this;
  }

  /** @param {string} text */
  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close() {
    this.readyState = Socket.CLOSED;
  }

  /** @param {Frame} frame */
  answer(frame) {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }

  /** @param {string} type */
  sentOf(type) {
    return this.sent.filter((frame) => frame.type === type);
  }
}

const real = globalThis.WebSocket;
beforeEach(() => Object.assign(globalThis, { WebSocket: Socket }));
afterEach(() => Object.assign(globalThis, { WebSocket: real }));

function open() {
  /** @type {string[]} */
  const positions = [];
  const events = {
    item: () => {},
    signal: () => {},
    position: (/** @type {string} */ cursor) => positions.push(cursor),
  };
  const url = new URL("ws://localhost/ws/chat");
  const { link, hello } = Link.open(url, { client: "test" }, events, 20_000);
  const ends = { count: 0 };
  void link.ended.then(() => (ends.count += 1));
  const socket = Socket.last;
  socket.onopen?.();
  socket.answer({ type: "hello", maxMessageBytes: 65_536, pingIntervalMs: 25_000 });
  return { link, hello, socket, positions, ends };
}

/** Time and the page's clock pass together. @param {import("node:test").TestContext} t */
function clock(t) {
  let now = 0;
  t.mock.timers.enable({ apis: ["setTimeout"] });
  t.mock.method(performance, "now", () => now);
  return async (/** @type {number} */ ms) => {
    for (let passed = 0; passed < ms; passed += 100) {
      now += 100;
      t.mock.timers.tick(100);
      await Promise.resolve();
    }
  };
}

const subscribed = (/** @type {string} */ cursor, recovered = true) => ({
  type: "subscribed",
  recovered,
  cursor,
  replayed: 0,
});

test("a link that is asked twice within a round trip, and answers, lives on", async (t) => {
  const pass = clock(t);
  const { link, hello, socket, ends } = open();
  await hello;
  const first = link.subscribe("1", 5000);
  const second = link.subscribe("1", 5000);
  await pass(100);
  for (const _ of socket.sentOf("subscribe")) socket.answer(subscribed("1"));
  assert.deepEqual((await first).cursor, "1");
  assert.deepEqual((await second).cursor, "1");
  await pass(60_000);
  assert.equal(ends.count, 0);
});

test("of two questions at once neither answer is overlooked", async (t) => {
  const pass = clock(t);
  const { link, hello, socket } = open();
  await hello;
  const answers = [link.subscribe("1", 5000), link.subscribe("1", 5000)];
  await pass(100);
  const asked = socket.sentOf("subscribe").length;
  for (let n = 1; n <= asked; n += 1) socket.answer(subscribed(`${n}`, n < asked));
  const recovered = (await Promise.all(answers)).map((answer) => answer.recovered);
  assert.equal(recovered.at(-1), false, "the last answer says that something may be missing");
});

test("a link that does not answer is given up, however often it is asked", async (t) => {
  const pass = clock(t);
  const { link, hello, ends } = open();
  await hello;
  const first = assert.rejects(link.subscribe("1", 5000), { code: "disconnected" });
  await pass(3000);
  const second = assert.rejects(link.subscribe("1", 5000), { code: "disconnected" });
  await pass(2500);
  assert.equal(ends.count, 1, "the second question does not buy the link more time");
  await Promise.all([first, second]);
});
