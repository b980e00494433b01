import assert from "node:assert/strict";
import { test } from "node:test";

import { Drafts } from "../../client/drafts.js";
import { MemoryStorage } from "./memory-storage.mjs";

const SCOPE = ["http://localhost:8080/", "demo", "visitor"];

/**
 * @param {MemoryStorage | undefined} storage
 * @param {ConstructorParameters<typeof Drafts>[0]} [limits]
 */
function drafts(storage, limits, scope = SCOPE) {
  const made = new Drafts(limits);
  made.attach(storage, scope);
  return made;
}

/** @param {Drafts} queue */
const texts = (queue) => queue.all.map(({ text }) => text);

test("drafts outlive the page, in the order of writing and not of their ids", () => {
  const storage = new MemoryStorage();
  const before = drafts(storage);
  before.add({ clientMessageId: "z", text: "first" });
  before.add({ clientMessageId: "a", text: "second" });
  before.add({ clientMessageId: "m", text: "third", conversationId: "c" });
  const after = drafts(storage);
  assert.deepEqual(texts(after), ["first", "second", "third"]);
  assert.equal(after.head?.clientMessageId, "z");
  assert.equal(after.all[2]?.conversationId, "c");
});

test("what was removed does not come back", () => {
  const storage = new MemoryStorage();
  const queue = drafts(storage);
  queue.add({ clientMessageId: "1", text: "one" });
  assert.equal(queue.remove("1"), true);
  assert.equal(queue.remove("1"), false);
  assert.deepEqual(texts(drafts(storage)), []);
  assert.equal(storage.length, 0);
});

test("tenants, servers and identities do not see each other's drafts", () => {
  const storage = new MemoryStorage();
  drafts(storage).add({ clientMessageId: "1", text: "mine" });
  for (const other of [
    ["http://localhost:8080/", "demo2", "visitor"],
    ["http://localhost:8080/", "demo", "agent:ada"],
    ["http://elsewhere/", "demo", "visitor"],
    ["http://localhost:8080/", "demo/visitor", ""],
  ]) {
    assert.deepEqual(texts(drafts(storage, {}, other)), []);
  }
  assert.deepEqual(texts(drafts(storage)), ["mine"]);
});

test("two tabs do not write over each other", () => {
  const storage = new MemoryStorage();
  const [one, other] = [drafts(storage), drafts(storage)];
  one.add({ clientMessageId: "a", text: "from one" });
  other.add({ clientMessageId: "b", text: "from the other" });
  one.remove("a");
  assert.deepEqual(texts(drafts(storage)), ["from the other"]);
});

test("what was written before the writer's name was known comes after what was kept", () => {
  const storage = new MemoryStorage();
  drafts(storage).add({ clientMessageId: "old", text: "of yesterday's page" });
  const queue = new Drafts();
  queue.add({ clientMessageId: "new", text: "just now" });
  assert.equal(storage.length, 1, "nothing is kept under a wrong name");
  queue.attach(storage, SCOPE);
  assert.deepEqual(texts(queue), ["of yesterday's page", "just now"]);
  assert.deepEqual(texts(drafts(storage)), ["of yesterday's page", "just now"]);
});

test("the queue is bounded in drafts and in characters", () => {
  const few = drafts(undefined, { maxDrafts: 2 });
  few.add({ clientMessageId: "1", text: "a" });
  few.add({ clientMessageId: "2", text: "b" });
  assert.throws(() => few.add({ clientMessageId: "3", text: "c" }), { code: "too_many_drafts" });
  const short = drafts(undefined, { maxChars: 10 });
  short.add({ clientMessageId: "1", text: "1234567890" });
  assert.throws(() => short.add({ clientMessageId: "2", text: "1" }), { code: "too_many_drafts" });
  assert.deepEqual(texts(short), ["1234567890"]);
});

test("a draft of another day is handed out once instead of being sent", () => {
  const storage = new MemoryStorage();
  let now = 1_000_000;
  const limits = { maxAgeMs: 1000, now: () => now };
  drafts(storage, limits).add({ clientMessageId: "1", text: "are you there?" });
  now += 1001;
  const queue = drafts(storage, limits);
  assert.equal(queue.head, undefined);
  assert.deepEqual(
    queue.takeExpired().map(({ text }) => text),
    ["are you there?"],
  );
  assert.deepEqual(queue.takeExpired(), []);
  assert.deepEqual(drafts(storage, limits).takeExpired(), []);
});

test("a draft of another day stays until somebody is told", () => {
  const storage = new MemoryStorage();
  let now = 1_000_000;
  const limits = { maxAgeMs: 1000, now: () => now };
  drafts(storage, limits).add({ clientMessageId: "1", text: "are you there?" });
  now += 1001;
  // A page that was closed before it came online.
  drafts(storage, limits);
  assert.deepEqual(
    drafts(storage, limits)
      .takeExpired()
      .map(({ text }) => text),
    ["are you there?"],
  );
  assert.equal(storage.length, 0);
});

test("a draft of another day that turns out to be accepted is not handed out as unsent", () => {
  const storage = new MemoryStorage();
  let now = 1_000_000;
  const limits = { maxAgeMs: 1000, now: () => now };
  drafts(storage, limits).add({ clientMessageId: "1", text: "its answer was lost" });
  now += 1001;
  const queue = drafts(storage, limits);
  assert.equal(queue.remove("1"), true);
  assert.deepEqual(queue.takeExpired(), []);
  assert.equal(storage.length, 0);
});

test("a full or forbidden storage costs the reload, not the draft", () => {
  const storage = new MemoryStorage();
  storage.setItem = () => {
    throw new DOMException("full", "QuotaExceededError");
  };
  const queue = drafts(storage);
  queue.add({ clientMessageId: "1", text: "kept in memory" });
  assert.deepEqual(texts(queue), ["kept in memory"]);
});

test("what others left under our prefix is no draft, and is cleared away", () => {
  const storage = new MemoryStorage();
  const prefix = "parlor:draft:" + SCOPE.map(encodeURIComponent).join("/") + "/";
  storage.setItem(prefix + "1", "{broken");
  storage.setItem(prefix + "2", '{"clientMessageId":"other","text":"t","order":1,"madeAt":1}');
  storage.setItem(prefix + "3", "null");
  storage.setItem("something else", "stays");
  assert.deepEqual(texts(drafts(storage)), []);
  assert.equal(storage.length, 1);
});
