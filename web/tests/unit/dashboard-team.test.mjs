/** @file What the dashboard knows of the team's desk, and how it changes it. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Events } from "../../dashboard/events.js";
import { Team } from "../../dashboard/team.js";

/** @typedef {Record<string, Record<string, Record<string, unknown>>>} Shared */

/** A server that answers when it is told to. @extends {Events<Record<string, any>>} */
class FakeApi extends Events {
  /** @type {{resolve: (desk: Shared) => void, reject: (error: unknown) => void}[]} */
  asked = [];
  /** @type {{resolve: () => void, reject: (error: unknown) => void}[]} */
  writes = [];
  /** @type {[string, string][]} */
  names = [];

  shared() {
    return new Promise((resolve, reject) => this.asked.push({ resolve, reject }));
  }

  furnish() {
    return new Promise((resolve, reject) =>
      this.writes.push({ resolve: () => resolve(undefined), reject }),
    );
  }

  /** @param {[string, string][]} all */
  call(all) {
    this.names.push(...all);
  }

  nameOf() {
    return "Ann";
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** @param {Shared} [desk] */
async function live(desk) {
  const api = new FakeApi();
  const team = new Team(/** @type {any} */ (api), { id: "ann", name: "Ann" });
  api.tell("state", "online");
  assert.equal(team.known, false);
  if (desk) api.asked[0]?.resolve(desk);
  await turn();
  return { api, team };
}

const BUSY = Object.assign(new Error("no"), { status: 503, retryable: true });

test("teams, labels and agents are called what the desk calls them", async () => {
  const { api, team } = await live({
    team: { s: { name: "Sales" }, nameless: {}, odd: { name: 7 } },
    label: { v: { name: "VIP" } },
    agent: { bob: { name: "Bob", availability: "away" }, cy: { name: null } },
  });
  assert.equal(team.known, true);
  assert.deepEqual(team.names("team"), ["Sales", "nameless", "odd"]);
  assert.deepEqual(team.names("label"), ["VIP"]);
  assert.deepEqual(team.agents, ["bob", "cy"]);
  assert.deepEqual([team.isAway("bob"), team.isAway("cy")], [true, false]);
  assert.deepEqual(api.names, [
    ["bob", "Bob"],
    ["cy", ""],
  ]);
});

test("what the stream tells while all of it is asked for is newer than the answer", async () => {
  const { api, team } = await live();
  api.tell("desk", { item: "reply", key: "a", value: { text: "new" } });
  api.tell("desk", { item: "reply", key: "b", value: null });
  api.asked[0]?.resolve({ reply: { a: { text: "old" }, b: { text: "gone" }, c: { text: "c" } } });
  await turn();
  assert.deepEqual(team.all("reply"), [
    ["a", { text: "new" }],
    ["c", { text: "c" }],
  ]);
});

test("after a gap it is loaded again, once more if another gap comes meanwhile", async () => {
  const { api, team } = await live({ reply: { a: { text: "a" } } });
  api.tell("state", "online");
  assert.equal(api.asked.length, 1, "a resumed stream has told everything");
  api.tell("gap", undefined);
  api.tell("gap", undefined);
  assert.equal(api.asked.length, 2);
  api.asked[1]?.resolve({});
  await turn();
  assert.equal(api.asked.length, 3);
  api.asked[2]?.resolve({ reply: { b: { text: "b" } } });
  await turn();
  assert.deepEqual(team.all("reply"), [["b", { text: "b" }]]);
  assert.equal(api.asked.length, 3);
});

test("a change is shown at once, and taken back where it is refused", async () => {
  const { api, team } = await live({ reply: { a: { text: "before" } } });
  const [changed, removed] = [
    team.furnish("reply", "a", { text: "after" }),
    team.furnish("reply", "b", { text: "b" }),
  ];
  assert.deepEqual(team.all("reply"), [
    ["a", { text: "after" }],
    ["b", { text: "b" }],
  ]);
  api.writes[0]?.reject(BUSY);
  api.writes[1]?.resolve();
  await assert.rejects(changed);
  await removed;
  assert.deepEqual(new Map(team.all("reply")).get("a"), { text: "before" });
  assert.equal(team.all("reply").length, 2);
});

test("what somebody else wrote meanwhile is not taken back", async () => {
  const { api, team } = await live({ reply: { a: { text: "before" } } });
  const changed = team.furnish("reply", "a", { text: "mine" });
  api.tell("desk", { item: "reply", key: "a", value: { text: "theirs" } });
  api.writes[0]?.reject(BUSY);
  await assert.rejects(changed);
  assert.deepEqual(team.all("reply"), [["a", { text: "theirs" }]]);
});

test("a server without a desk is asked once, and a busy one again", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { api, team } = await live();
  api.asked[0]?.reject(BUSY);
  await turn();
  assert.equal(team.known, false);
  t.mock.timers.tick(10_000);
  assert.equal(api.asked.length, 2);
  api.asked[1]?.reject(Object.assign(new Error("no"), { status: 404 }));
  await turn();
  t.mock.timers.tick(60_000);
  api.tell("state", "online");
  api.tell("gap", undefined);
  assert.equal(api.asked.length, 2);
  assert.equal(team.known, false);
});
