import assert from "node:assert/strict";
import { test } from "node:test";

import { Backoff } from "../../client/backoff.js";
import { Drafts } from "../../client/drafts.js";
import { ParlorError } from "../../client/errors.js";
import { Sender } from "../../client/sender.js";

/** @import {Draft, Receipt} from "../../client/parlor.js" */

/** A server that the test controls: every draft it is given waits for `accept` or `refuse`. */
class Server {
  /**
   * @type {{draft: Draft, accept: () => Promise<void>, refuse: (error: ParlorError) =>
   *   Promise<void>}[]}
   */
  asked = [];

  /** @param {Draft} draft @returns {Promise<Receipt>} */
  deliver = (draft) =>
    new Promise((resolve, reject) => {
      const { clientMessageId } = draft;
      const accept = () => {
        resolve({ clientMessageId, id: `m-${clientMessageId}`, timestamp: "", duplicate: false });
        return turns();
      };
      const refuse = (/** @type {ParlorError} */ error) => {
        reject(error);
        return turns();
      };
      this.asked.push({ draft, accept, refuse });
    });

  get ids() {
    return this.asked.map(({ draft }) => draft.clientMessageId);
  }

  /** The last one that was asked. */
  get last() {
    const last = this.asked.at(-1);
    assert.ok(last);
    return last;
  }
}

/** Lets everything happen that waits for nothing but its turn. */
const turns = () => new Promise((resolve) => setImmediate(resolve));

/** @param {string[]} ids */
function setUp(...ids) {
  const drafts = new Drafts();
  for (const id of ids) drafts.add({ clientMessageId: id, text: id });
  /** @type {string[]} */
  const told = [];
  const sender = new Sender(
    drafts,
    {
      accepted: ({ clientMessageId }) => told.push(`accepted ${clientMessageId}`),
      failed: (draft, error) => told.push(`failed ${draft.clientMessageId}: ${error.code}`),
    },
    new Backoff(() => 0),
  );
  return { drafts, sender, told, server: new Server() };
}

const busy = new ParlorError("busy", { code: "busy", retryable: true, retryAfterMs: 800 });
const lost = new ParlorError("lost", { code: "disconnected", retryable: true });
const refused = new ParlorError("no", { code: "invalid" });

test("one draft is in flight at a time, in order", async () => {
  const { sender, server, told, drafts } = setUp("a", "b");
  sender.start(server.deliver);
  sender.pump();
  assert.deepEqual(server.ids, ["a"]);
  await server.last.accept();
  assert.deepEqual(server.ids, ["a", "b"]);
  await server.last.accept();
  assert.deepEqual(told, ["accepted a", "accepted b"]);
  assert.deepEqual(drafts.all, []);
});

test("a draft whose answer was lost is sent again with its id, before all others", async () => {
  const { sender, server, drafts } = setUp("a", "b");
  sender.start(server.deliver);
  await server.last.refuse(lost);
  assert.deepEqual(server.ids, ["a"], "nothing goes out on a lost connection");
  drafts.add({ clientMessageId: "c", text: "c" });
  sender.pump();
  assert.deepEqual(server.ids, ["a"]);
  sender.start(server.deliver);
  for (let left = 3; left > 0; left -= 1) await server.last.accept();
  assert.deepEqual(server.ids, ["a", "a", "b", "c"]);
});

test("a reconnect while a draft is in flight does not send it twice at once", async () => {
  const { sender, server } = setUp("a");
  sender.start(server.deliver);
  const first = server.last;
  sender.stop();
  sender.start(server.deliver.bind(server));
  assert.deepEqual(server.ids, ["a"]);
  await first.refuse(lost);
  assert.deepEqual(server.ids, ["a", "a"]);
});

test("a draft refused for good fails, and the next one goes out", async () => {
  const { sender, server, told, drafts } = setUp("a", "b");
  sender.start(server.deliver);
  await server.last.refuse(refused);
  assert.deepEqual(told, ["failed a: invalid"]);
  assert.deepEqual(server.ids, ["a", "b"]);
  assert.equal(drafts.has("a"), false);
});

test("a draft that is put off waits as the server said, and is not overtaken", async (t) => {
  const { sender, server, told } = setUp("a", "b");
  t.mock.timers.enable({ apis: ["setTimeout"] });
  sender.start(server.deliver);
  await server.last.refuse(busy);
  sender.pump();
  t.mock.timers.tick(799);
  assert.deepEqual(server.ids, ["a"]);
  t.mock.timers.tick(1);
  assert.deepEqual(server.ids, ["a", "a"]);
  await server.last.accept();
  assert.deepEqual(server.ids, ["a", "a", "b"]);
  assert.deepEqual(told, ["accepted a"]);
});

test("without a delay of the server's, the waits grow", async (t) => {
  const { sender, server } = setUp("a");
  t.mock.timers.enable({ apis: ["setTimeout"] });
  sender.start(server.deliver);
  await server.last.refuse(new ParlorError("?", { code: "internal", retryable: true }));
  t.mock.timers.tick(499);
  assert.equal(server.asked.length, 1);
  t.mock.timers.tick(1);
  assert.equal(server.asked.length, 2);
});

test("a draft found in the stream is accepted once, also when its answer comes later", async () => {
  const { sender, server, told, drafts } = setUp("a");
  sender.start(server.deliver);
  sender.settle({ clientMessageId: "a", id: "m-a", timestamp: "", duplicate: true });
  assert.deepEqual(drafts.all, []);
  await server.last.accept();
  assert.deepEqual(told, ["accepted a"]);
  sender.settle({ clientMessageId: "a", id: "m-a", timestamp: "", duplicate: true });
  assert.deepEqual(told, ["accepted a"]);
});

test("a stopped sender forgets its timer", async (t) => {
  const { sender, server } = setUp("a");
  t.mock.timers.enable({ apis: ["setTimeout"] });
  sender.start(server.deliver);
  await server.last.refuse(busy);
  sender.stop();
  t.mock.timers.tick(10_000);
  assert.deepEqual(server.ids, ["a"]);
  sender.start(server.deliver);
  assert.deepEqual(server.ids, ["a", "a"]);
});
