/** @file The client as a package: what is in it, how big it is, and that its examples hold. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";

import "../../client/agent.js";
import "../../client/parlor.js";
import { FakeServer, frame, message } from "./fake-server.mjs";

const FOLDER = fileURLToPath(new URL("../../client/", import.meta.url));
/** What the modules of one page may weigh, comments included, in one gzip stream. */
const MAX_BYTES = 26 * 1024;

/** What a page loads only once it is needed. */
const ON_DEMAND = ["insist.js", "profile.js", "proof.js"];

const FILES = [
  "README.md",
  "agent-client.js",
  "agent.d.ts",
  "agent.js",
  "backoff.js",
  "client.js",
  "clock.js",
  "coalesce.js",
  "connection.js",
  "drafts.js",
  "errors.js",
  "identity.js",
  "insist.js",
  "item-list.js",
  "items.js",
  "link.js",
  "marks.js",
  "package.json",
  "parlor.d.ts",
  "parlor.js",
  "poller.js",
  "polling.js",
  "profile.js",
  "proof.js",
  "rest.js",
  "sender.js",
  "timeline.js",
  "timelines.js",
  "typing.js",
  "uuid7.js",
  "visitor-client.js",
  "wake.js",
];

test("the package holds the modules, their types and what describes them", async () => {
  const cache = await mkdtemp(join(tmpdir(), "parlor-pack-"));
  try {
    const settings = ["--dry-run", "--json", "--offline", "--cache", cache];
    const { stdout } = await promisify(execFile)("npm", ["pack", ...settings], { cwd: FOLDER });
    const [packed] = JSON.parse(stdout);
    assert.equal(packed.name, "@parlor/client");
    const paths = packed.files.map((/** @type {{path: string}} */ { path }) => path);
    assert.deepEqual(paths.sort(), FILES);
  } finally {
    await rm(cache, { recursive: true });
  }
});

test("the package runs nothing, needs nothing, and has the licence of the whole", async () => {
  const facts = JSON.parse(await readFile(join(FOLDER, "package.json"), "utf8"));
  for (const key of ["scripts", "dependencies", "peerDependencies", "devDependencies"]) {
    assert.equal(facts[key], undefined, key);
  }
  assert.equal(facts.sideEffects, false);
  const workspace = await readFile(join(FOLDER, "../../Cargo.toml"), "utf8");
  assert.equal(facts.license, /^license = "(.*)"$/m.exec(workspace)?.[1]);
  assert.equal(facts.version, /^version = "(.*)"$/m.exec(workspace)?.[1]);
  for (const { types, default: module } of Object.values(facts.exports)) {
    assert.ok(FILES.includes(types.slice(2)) && FILES.includes(module.slice(2)));
  }
});

/** What a page loads that imports a module. @param {string} entry */
async function graph(entry) {
  /** @type {Map<string, Buffer>} */
  const loaded = new Map();
  const load = async (/** @type {string} */ name) => {
    if (loaded.has(name)) return;
    const text = await readFile(join(FOLDER, name));
    loaded.set(name, text);
    for (const [, next] of String(text).matchAll(/^import [^;]* from "\.\/([^"]*)";$/gm)) {
      await load(next ?? "");
    }
  };
  await load(entry);
  return loaded;
}

/** @param {Map<string, Buffer>} modules */
function weigh(modules) {
  const texts = [...modules].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, text]) => text);
  return gzipSync(Buffer.concat(texts), { level: 9 }).length;
}

test("what a page loads is small, and everything is part of it", async (t) => {
  const [visitor, agent] = [await graph("parlor.js"), await graph("agent.js")];
  const all = new Map([...visitor, ...agent]);
  const modules = FILES.filter((name) => name.endsWith(".js"));
  assert.deepEqual([...all.keys(), ...ON_DEMAND].sort(), modules);
  for (const [who, loaded] of Object.entries({ visitor, agent })) {
    const bytes = weigh(loaded);
    t.diagnostic(`${who}: ${loaded.size} modules, ${bytes} bytes`);
    assert.ok(bytes <= MAX_BYTES, `${who}: ${bytes} bytes are more than ${MAX_BYTES}`);
  }
  t.diagnostic(`both: ${all.size} modules, ${weigh(all)} bytes`);
});

test("a visitor's page loads nothing that only agents need", async () => {
  const loaded = await graph("parlor.js");
  assert.ok(loaded.has("wake.js"));
  assert.ok(!loaded.has("agent.js") && !loaded.has("agent-client.js"));
});

/** The examples of the README, in order. */
async function examples() {
  const text = await readFile(join(FOLDER, "README.md"), "utf8");
  return Array.from(text.matchAll(/```js\n([^]*?)```/g), ([, code]) => code ?? "");
}

/**
 * Runs an example, whose imports are resolved as the package says, and whose client is connected by
 * itself and closed with the test. What it writes to the console is given back.
 *
 * @param {FakeServer} server
 * @param {string} code
 */
async function run(server, code) {
  /** @type {string[]} */
  const written = [];
  const write = (/** @type {unknown[]} */ ...what) => written.push(what.join(" "));
  const { resolve } = createRequire(join(FOLDER, "package.json"));
  const body = code.replace(
    /^import \{ (\w+) \} from "(.*)";$/gm,
    (_, name, from) => `const ${name} = follow((await import(address("${from}"))).${name});`,
  );
  const follow = (/** @type {new (options: object) => any} */ Base) =>
    class extends Base {
      /** @param {object} options */
      constructor(options) {
        super({ ...options, storage: null });
        server.follow(/** @type {any} */ (this));
      }
    };
  const address = (/** @type {string} */ name) => pathToFileURL(resolve(name)).href;
  const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor;
  const example = new AsyncFunction("follow", "address", "console", body);
  const done = example(follow, address, { log: write, error: write });
  await server.pass(1_000);
  await done;
  return written;
}

test("README: a visitor", async (t) => {
  const server = new FakeServer(t);
  const [code = ""] = await examples();
  const written = await run(server, code);
  assert.equal(server.socket.sentOf("message")[0]?.text, "Hello");
  server.socket.tell(frame("message", 1, { text: "Hello" }), { type: "here", here: true });
  assert.deepEqual(written, ["Hello", "true"]);
  assert.equal(server.asked("PUT /api/chat/profile")[0]?.body.name, "Vera");
});

test("README: what was read, and the end", async (t) => {
  const server = new FakeServer(t);
  server.on("POST /api/chat/rating", () => ({ status: 201, body: {} }));
  const [, code = ""] = await examples();
  await run(server, code);
  server.socket.tell(frame("message", 1), frame("change", 2, { status: "closed" }));
  await server.pass(0);
  assert.equal(server.socket.sentOf("mark")[0]?.read, "1");
  assert.equal(server.asked("POST /api/chat/rating")[0]?.body.score, 5);
});

test("README: an agent", async (t) => {
  const server = new FakeServer(t);
  const path = "/api/agent/conversations/c";
  server.on("GET /token", () => ({ body: { token: "a.b.c" } }));
  server.on("GET /api/agent/conversations", () => ({ body: { conversations: [{ id: "c" }] } }));
  server.on(`GET ${path}/timeline`, () => ({ body: { events: [frame("note", 1)] } }));
  const error = { code: "conflict", retryable: false };
  server.on(`PATCH ${path}`, () => ({
    status: 409,
    body: { error, conversation: { id: "c", assignee: "bob" } },
  }));
  server.on(`POST ${path}/notes`, () => ({ body: { note: { id: "n" } } }));
  server.on(`POST ${path}/messages`, () => ({ body: { message: message(2) } }));
  const [, , code = ""] = await examples();
  const written = await run(server, code);
  assert.deepEqual(written, ["note [object Object] history", "note", "taken by bob"]);
  assert.deepEqual(server.asked(`PUT ${path}/mark`)[0]?.body, { read: "1" });
  assert.equal(server.asked(`POST ${path}/messages`).length, 1);
  assert.deepEqual(server.socket.sentOf("look")[0], { type: "look", open: "c", visible: ["c"] });
});
