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

/** @typedef {{path: string, bearer: string | null, identity?: string}} Asked */

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
 * @param {(() => string | Promise<string>) | undefined} [identify]
 */
function setUp(answer, kept = "vt_old", identify = undefined) {
  const storage = new MemoryStorage();
  if (kept) storage.setItem(KEY, kept);
  const identity = new VisitorIdentity(BASE, "demo", {
    credential: "token",
    publishableKey: "pk_1",
    identify,
    storage,
  });
  const rest = new Rest(BASE, "demo", identity, 1000);
  /** @type {Asked[]} */
  const asked = [];
  globalThis.fetch = async (url, init) => {
    const { pathname } = new URL(String(url));
    const bearer = new Headers(init?.headers).get("Authorization");
    const { identity: proof } = init?.body ? JSON.parse(String(init.body)) : {};
    asked.push({ path: pathname, bearer, ...(proof !== undefined && { identity: proof }) });
    const given = answer({ path: pathname, bearer, identity: proof }, asked.length);
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

test("a visitor who is proven takes over what was kept, and nothing of it is kept", async () => {
  let count = 0;
  const { rest, identity, enter, kept, asked } = setUp(
    (_, n) => session(`vt_proven_${n}`),
    "vt_old",
    async () => `jwt-${++count}`,
  );
  assert.equal((await enter()).token, "vt_proven_1");
  assert.equal(kept(), null, "the browser's next user finds no token");
  assert.equal(identity.credentials, "omit", "nor does a cookie count");
  assert.equal((await enter()).token, "vt_proven_2", "each socket gets a new proof's");
  const path = "/api/chat/session";
  assert.deepEqual(asked, [
    { path, bearer: "Bearer vt_old", identity: "jwt-1" },
    { path, bearer: "Bearer vt_proven_1", identity: "jwt-2" },
  ]);
  await identity.proof?.tell(rest);
  await identity.proof?.tell(rest);
  const told = asked.slice(2);
  const profile = { path: "/api/chat/profile", bearer: "Bearer vt_proven_2", identity: "jwt-2" };
  assert.deepEqual(told, [profile], "what the proof says is told once");
});

test("a proof that the server does not believe ends the connection and takes no token", async () => {
  const refused = { status: 401, body: unauthorized };
  const { enter, kept, asked } = setUp(
    () => refused,
    "vt_old",
    () => "jwt",
  );
  await assert.rejects(enter(), { status: 401 });
  assert.equal(kept(), "vt_old");
  assert.equal(asked.length, 2, "without the token, which may be what is refused");
});

test("a proof is fetched again where it has ended, and one that cannot be had is told", async () => {
  let fails = false;
  const { rest, enter } = setUp(
    ({ path, bearer }) => {
      if (path.endsWith("/session")) return session(fails ? "vt_late" : "vt_new");
      return bearer === "Bearer vt_late" ? page : { status: 401, body: unauthorized };
    },
    "",
    () => {
      if (fails) throw new Error("signed out");
      return "jwt";
    },
  );
  await enter();
  fails = true;
  await assert.rejects(rest.page(undefined), /signed out/);
});
