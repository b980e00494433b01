/**
 * @file The released widget's contract where something happens at the same moment: loads,
 *   reconnects, cut networks, cold starts, and browsers that keep cookies to themselves.
 */

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { after, afterEach, before, test } from "node:test";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

import { launch, launchWithoutCookies, noComplaints } from "./support/browser.mjs";
import { Network } from "./support/network.mjs";
import { seeded } from "./support/seed.mjs";
import { restarts, Stage } from "./support/stage.mjs";
import { until, untilEqual } from "./support/until.mjs";

/** @import {Page} from "playwright-core" */
/** @import {Visitor} from "./support/stage.mjs" */
/** @import {Widget} from "./support/widget.mjs" */

/** @type {Stage} */
let stage;

before(async () => {
  // The contract's hold, which waits for the page, with more patience: a test's machine may be many
  // times slower than a visitor's, and what is tested is the order and not the speed.
  const patience = { PARLOR_SOCKETS__LOAD_WITHIN: "4s", PARLOR_SOCKETS__LOAD_AHEAD: "800ms" };
  stage = await Stage.begin(patience);
});
after(() => stage?.end());
afterEach(noComplaints);

/** @param {(visitor: Visitor) => Promise<void>} body */
const withVisitor = (body) => stage.withVisitor(body);

/**
 * A widget in which `text` was sent and answered, and the conversation.
 *
 * @param {Visitor} visitor
 */
async function inConversation({ agent, open }) {
  const widget = await open();
  await widget.online();
  await widget.send("before");
  const conversation = await agent.conversationWith("before");
  await agent.reply(conversation, "seen before");
  await widget.shows(["before", "seen before"]);
  return { widget, conversation };
}

test("agents' messages at random moments around 40 reloads are each shown once", (t) =>
  withVisitor(async (visitor) => {
    const random = seeded(t);
    const { widget, conversation } = await inConversation(visitor);
    const all = ["before", "seen before"];
    for (let round = 0; round < 40; round += 1) {
      const texts = [1, 2, 3].map((number) => `${round}.${number}`);
      const writing = (async () => {
        for (const text of texts) {
          await pause(random() * 400);
          await visitor.agent.reply(conversation, text);
        }
      })();
      await pause(random() * 500);
      await widget.reload();
      await writing;
      all.push(...texts);
      // A load shows the newest 50, and what comes after it is added.
      await until(`round ${round} is there`, async () =>
        (await widget.texts()).includes(`${round}.3`),
      );
      const shown = await widget.texts();
      assert.ok(shown.length >= Math.min(all.length, 50), `${shown.length} in round ${round}`);
      assert.deepEqual(shown, all.slice(-shown.length), `round ${round}`);
    }
  }));

test("two cold tabs end in one conversation", async (t) => {
  for (let round = 0; round < 4; round += 1) {
    await withVisitor(async ({ agent, open }) => {
      const [one, other] = await Promise.all([open(), open()]);
      await Promise.all([one.online(), other.online()]);
      await Promise.all([one.send("from the one"), other.send("from the other")]);
      await agent.conversationWith("from the one");
      await agent.conversationWith("from the other");
      const before = (await agent.conversations()).length;
      t.diagnostic(`round ${round}: ${before} conversations before a request has both cookies`);
      await one.reload();
      await one.online();
      const shown = (/** @type {Widget} */ widget) => async () => (await widget.texts()).sort();
      const both = ["from the one", "from the other"];
      await untilEqual("the reloaded tab shows both", shown(one), both);
      // The other tab has not been reloaded, and its socket is that of the absorbed visitor or not.
      await other.send("later, from the other");
      await one.send("later, from the one");
      const goesOn = await agent.conversationWith("later, from the one");
      assert.equal(await agent.conversationWith("later, from the other"), goesOn);
      for (const [index, conversation] of (await agent.conversations()).entries()) {
        await agent.reply(conversation, `to conversation ${index}`);
      }
      const later = ["later, from the one", "later, from the other"];
      const replies = Array.from({ length: before }, (_, index) => `to conversation ${index}`);
      const inTheOne = [...both, ...later, ...replies].sort();
      await untilEqual("the reloaded tab shows all", shown(one), inTheOne);
      const seen = async () => {
        const texts = await other.texts();
        return [...later, ...replies].filter((text) => texts.includes(text)).sort();
      };
      await untilEqual("the other tab shows all that came later", seen, [...later, ...replies].sort());
      assert.equal(new Set(await other.texts()).size, (await other.texts()).length, "nothing twice");
      await other.reload();
      await untilEqual("the other tab shows all after a reload", shown(other), inTheOne);
    });
  }
});

test("with cookies off the chat works while the page lives", async () => {
  const folder = await mkdtemp(join(tmpdir(), "parlor-no-cookies-"));
  const context = await launchWithoutCookies(folder);
  try {
    await stage.withVisitor(
      async ({ agent, open }) => {
        const widget = await open();
        await widget.online();
        assert.deepEqual(await agent.conversations(), [], "a page view leaves no record");
        await widget.send("Who am I?");
        const conversation = await agent.conversationWith("Who am I?");
        await agent.reply(conversation, "a guest");
        await widget.shows(["Who am I?", "a guest"]);
        await widget.send("thanks");
        await until("it is stored", async () =>
          (await agent.history(conversation)).includes("thanks"),
        );
        assert.equal((await agent.conversations()).length, 1);
        assert.deepEqual(await context.cookies(), []);
        const other = await open();
        await other.online();
        assert.deepEqual(await other.texts(), [], "nobody else's page shows it");
      },
      { context },
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

for (const how of /** @type {const} */ (["silent", "refusing"])) {
  test(`a ${how} network for 4 s with an agent writing loses and doubles nothing`, async () => {
    const network = await Network.begin(stage.server.url);
    try {
      await stage.withVisitor(
        async (visitor) => {
          const { widget, conversation } = await inConversation(visitor);
          network.cut(how);
          const missed = [];
          for (let second = 1; second <= 4; second += 1) {
            await visitor.agent.reply(conversation, `missed ${second}`);
            missed.push(`missed ${second}`);
            await pause(1000);
          }
          network.mend();
          await widget.shows(["before", "seen before", ...missed]);
          await visitor.agent.reply(conversation, "the end");
          await widget.shows(["before", "seen before", ...missed, "the end"]);
        },
        { server: network },
      );
    } finally {
      await network.end();
    }
  });
}

for (const signal of /** @type {const} */ (["SIGTERM", "SIGKILL"])) {
  test(`what an agent writes between ${signal} with two tabs and their return is shown`, restarts, () =>
    withVisitor(async (visitor) => {
      const { widget, conversation } = await inConversation(visitor);
      const other = await visitor.open();
      await other.online();
      const all = ["before", "seen before"];
      await other.shows(all);
      await visitor.agent.reply(conversation, "to both");
      all.push("to both");
      await Promise.all([widget.shows(all), other.shows(all)]);
      await stage.noted();
      await stage.server.stop(signal);
      await untilEqual("the widget is offline", () => widget.state(), "Offline");
      await stage.server.start();
      await visitor.agent.reply(conversation, "while they are away");
      all.push("while they are away");
      await Promise.all([widget.shows(all), other.shows(all)]);
      await Promise.all([widget.online(), other.online()]);
      await visitor.agent.reply(conversation, "and back");
      all.push("and back");
      await Promise.all([widget.shows(all), other.shows(all)]);
    }),
  );
}

test("what is typed at the very moment the input appears is there, and once", async () => {
  /** @param {Page} page */
  const eager = (page) =>
    page.addInitScript(() => {
      new MutationObserver((_, observer) => {
        const form = document.querySelector("form");
        const field = document.querySelector("textarea");
        if (!form || !field || form.hidden) return;
        observer.disconnect();
        field.value = "at once";
        form.requestSubmit();
      }).observe(document, { subtree: true, childList: true, attributes: true });
    });
  for (let round = 0; round < 6; round += 1) {
    await withVisitor(async ({ agent, open }) => {
      const widget = await open({ prepare: eager });
      await widget.online();
      const conversation = await agent.conversationWith("at once");
      await widget.shows(["at once"]);
      await agent.reply(conversation, "so soon");
      await widget.shows(["at once", "so soon"]);
      assert.deepEqual(await agent.history(conversation), ["at once", "so soon"]);
    });
  }
});

test("in a frame of another site the visitor is known by its partitioned cookie", async () => {
  // As a browser that lets other sites have no cookie but a partitioned one.
  const browser = await launch(["--test-third-party-cookie-phaseout"]);
  const context = await browser.newContext();
  try {
    await stage.withVisitor(
      async ({ agent, open, tenantId }) => {
        const embedded = await stage.host.openEmbedded(context, stage.server, { tenantId });
        await embedded.online();
        await embedded.send("from the shop");
        const conversation = await agent.conversationWith("from the shop");
        await agent.reply(conversation, "to the shop");
        await embedded.shows(["from the shop", "to the shop"]);
        await embedded.reload();
        await embedded.shows(["from the shop", "to the shop"]);
        await embedded.online();
        await agent.reply(conversation, "after a reload");
        await embedded.shows(["from the shop", "to the shop", "after a reload"]);
        const direct = await open();
        assert.deepEqual(await direct.texts(), [], "what is not in the shop is another visitor");
      },
      { context },
    );
  } finally {
    await browser.close();
  }
});
