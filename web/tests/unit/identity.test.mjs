import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { ServerClock } from "../../client/clock.js";
import { VisitorIdentity } from "../../client/identity.js";
import { Rest } from "../../client/rest.js";
import { MemoryStorage } from "./memory-storage.mjs";

const BASE = new URL("http://localhost:8080/");
const KEY = "parlor:token:" + [BASE.href, "demo", "visitor"].map(encodeURIComponent).join("/");
const unauthorized = {
  error: { code: "unauthorized", message: "no", retryable: false, requestId: "r" },
};

/** @typedef {{path: string, bearer: string | null}} Asked */

const real = globalThis.fetch;
afterEach(() => {
  globalThis.fetch = real;
});

/**
 * A visitor whose token is kept in storage, and a server that answers as the test says.
 *
 * @param {(asked: Asked, n: number) => {status?: number, body?: object} | Error} answer `n` counts
 *   from 1
 * @param {string} [kept]
 */
function setUp(answer, kept = "vt_old") {
  const storage = new MemoryStorage();
  if (kept) storage.setItem(KEY, kept);
  const identity = new VisitorIdentity(BASE, "demo", {
    credential: "token",
    publishableKey: "pk_1",
    storage,
  });
  const rest = new Rest(BASE, "demo", identity, 1000);
  /** @type {Asked[]} */
  const asked = [];
  globalThis.fetch = async (url, init) => {
    const { pathname } = new URL(String(url));
    const bearer = new Headers(init?.headers).get("Authorization");
    asked.push({ path: pathname, bearer });
    const given = answer({ path: pathname, bearer }, asked.length);
    if (given instanceof Error) throw given;
    return new Response(JSON.stringify(given.body ?? {}), { status: given.status ?? 200 });
  };
  const enter = () => identity.enter(rest, new ServerClock());
  return { identity, rest, storage, asked, enter, kept: () => storage.getItem(KEY) };
}

const session = (token = "vt_old") => ({ body: { sessionId: "s", conversationId: "c", token } });
const page = { body: { messages: [], hasMore: false } };

test("a 401 of something in between takes no visitor's token away", async () => {
  const { rest, enter, kept, asked } = setUp(({ path }) =>
    path.endsWith("/session") ? session() : { status: 401, body: { message: "please sign in" } },
  );
  await enter();
  await assert.rejects(rest.page(undefined), { status: 401 });
  assert.equal(kept(), "vt_old");
  assert.equal(asked.at(-1)?.bearer, "Bearer vt_old");
});

test("a 401 of something in between instead of a session keeps the token, too", async () => {
  const { enter, kept } = setUp(() => ({ status: 401, body: { error: "blocked" } }));
  await assert.rejects(enter(), { status: 401 });
  assert.equal(kept(), "vt_old");
});

test("a token that one request was refused for is kept if the session knows it", async () => {
  const { rest, enter, kept, asked } = setUp(({ path }, n) => {
    if (path.endsWith("/session")) return session();
    return n === 2 ? { status: 401, body: unauthorized } : page;
  });
  await enter();
  await rest.page(undefined);
  assert.equal(kept(), "vt_old");
  assert.deepEqual(new Set(asked.map(({ bearer }) => bearer)), new Set(["Bearer vt_old"]));
});

test("a token that does not verify makes way for a new visitor's", async () => {
  const { enter, kept, asked } = setUp(({ bearer }) =>
    bearer === "Bearer vt_old" ? { status: 401, body: unauthorized } : session("vt_new"),
  );
  const { token } = await enter();
  assert.equal(token, "vt_new");
  assert.equal(kept(), "vt_new");
  assert.deepEqual(
    asked.map(({ bearer }) => bearer),
    ["Bearer vt_old", "Bearer pk_1"],
  );
});

test("a token that does not verify is kept until there is a new one", async () => {
  const { identity, enter, kept } = setUp(({ bearer }) =>
    bearer === "Bearer vt_old" ? { status: 401, body: unauthorized } : new TypeError("no network"),
  );
  await assert.rejects(enter(), { code: "network" });
  assert.equal(kept(), "vt_old");
  assert.equal(identity.bearer, "vt_old");
});

test("a new visitor whose publishable key is refused stays without a token", async () => {
  const error = {
    ...unauthorized.error,
    details: [{ field: "authorization", code: "publishable_key" }],
  };
  const { enter, kept, asked } = setUp(() => ({ status: 401, body: { error } }), "");
  await assert.rejects(enter(), { code: "unauthorized" });
  assert.equal(kept(), null);
  assert.equal(asked.length, 1);
});

test("a token that another tab got meanwhile is taken instead of one more", async () => {
  const { enter, kept, storage, asked } = setUp(({ bearer }) =>
    bearer === "Bearer vt_old" ? { status: 401, body: unauthorized } : session("vt_other"),
  );
  storage.setItem(KEY, "vt_other");
  const { token } = await enter();
  assert.equal(token, "vt_other");
  assert.equal(kept(), "vt_other");
  assert.deepEqual(
    asked.map(({ bearer }) => bearer),
    ["Bearer vt_other"],
  );
});
