/** @file The pictures of the documentation, taken of a real server; `scripts/pictures` calls it. */

import { stat } from "node:fs/promises";
import { join } from "node:path";

import { launch } from "./browser.mjs";
import { Desk } from "./desk.mjs";
import { Server } from "./server.mjs";
import { until } from "./until.mjs";
import { Visitor } from "./visitor.mjs";

/** @import {Browser, Page} from "playwright-core" */

const TENANT = "oak-and-linen";
/** So that nobody has to wait for a page of the documentation. */
const MAX_BYTES = 200_000;
const DESK = { width: 1440, height: 900 };
const PHONE = { width: 390, height: 844 };

/** @type {[string, string, string, object][]} */
const OTHERS = [
  ["Maya Johnson", "maya@example.com", "Perfect, see you then.", { assignee: "ann" }],
  [
    "Olivier Petit",
    "olivier@example.com",
    "La chaise grince un peu, est-ce normal ?",
    { labels: { add: ["returns"] } },
  ],
  ["Noah Williams", "noah@example.com", "Do you ship to Iceland?", {}],
  [
    "Lars Østergaard",
    "lars@example.com",
    "The invoice has the wrong VAT number, could you send a new one?",
    { team: "billing", labels: { add: ["billing", "b2b"] } },
  ],
  [
    "Priya Nair",
    "priya@example.com",
    "Thank you, that solved it!",
    { assignee: "bob", labels: { add: ["vip"] } },
  ],
  [
    "Tomás Herrera",
    "tomas@example.com",
    "Is the walnut desk back in stock next week? I would order two of them.",
    {},
  ],
];

const [folder = "."] = process.argv.slice(2);
const server = await Server.begin();
const browser = await launch();
try {
  await fill();
  for (const scheme of /** @type {const} */ (["light", "dark"])) {
    await pictures(browser, scheme);
  }
} finally {
  await browser.close();
  await server.end();
}

/** @param {Browser} browser @param {"light" | "dark"} colorScheme */
async function pictures(browser, colorScheme) {
  for (const [name, viewport] of /** @type {const} */ ([
    ["desk", DESK],
    ["phone", PHONE],
  ])) {
    const options = { viewport, colorScheme, reducedMotion: /** @type {const} */ ("reduce") };
    const context = await browser.newContext(options);
    const desk = await Desk.open(context, server.url, { tenantId: TENANT, agent: "ann" });
    await desk.page.locator(".row", { hasText: "Clara" }).waitFor();
    if (name === "phone") await take(desk.page, `dashboard-list-phone-${colorScheme}`);
    await desk.choose("Clara Lindqvist");
    await desk.page.locator(".note").waitFor();
    await desk.page.mouse.move(0, 0);
    await take(desk.page, `dashboard-${name}-${colorScheme}`);
    if (name === "desk") {
      await desk.press("Control+k");
      await take(desk.page, `dashboard-palette-${colorScheme}`);
    }
    await desk.page.close();
    const shop = await context.newPage();
    await shop.goto(`${server.url}/demo/shop.html?tenantId=${TENANT}-${name}-${colorScheme}&open`);
    const chat = shop.frameLocator("parlor-chat iframe");
    await chat.locator("#log[aria-busy=false]").waitFor({ state: "attached" });
    await chat.locator("#text").fill("Is the oak bookshelf in stock?");
    await chat.locator("#text").press("Enter");
    await until("it is said", async () => (await chat.locator(".bubble").count()) === 1);
    await answer(
      `${TENANT}-${name}-${colorScheme}`,
      "Good day! It is: it leaves our workshop tomorrow.",
    );
    await until("it is answered", async () => (await chat.locator(".bubble").count()) === 2);
    await take(shop, `widget-${name}-${colorScheme}`);
    await context.close();
  }
}

/** @param {Page} page @param {string} name */
async function take(page, name) {
  const path = join(folder, `${name}.png`);
  await page.evaluate(() => document.fonts.ready);
  await page.screenshot({ path, animations: "disabled", caret: "hide" });
  const { size } = await stat(path);
  if (size > MAX_BYTES) throw new Error(`${path} has ${size} bytes`);
}

// === what is in the pictures ===

async function fill() {
  for (const [name, email, text, change] of OTHERS) {
    const { message } = await visitor(name, email, [text]);
    if (Object.keys(change).length > 0) await agent("ann", "PATCH", message.conversationId, change);
  }
  const { message, visitor: clara } = await visitor(
    "Clara Lindqvist",
    "clara.lindqvist@example.com",
    [
      "Hello! The oak bookshelf arrived today, thank you. But one of the shelves is missing from the box, there are only four.",
    ],
  );
  const id = message.conversationId;
  await clara.call("PUT", "profile", {
    locale: "sv-SE",
    attributes: { plan: "Plus", "last order": "#48213 · €189.00", city: "Göteborg" },
  });
  await agent("ann", "PATCH", id, { assignee: "ann", team: "logistics", labels: { add: ["vip"] } });
  await agent("bob", "POST", `${id}/notes`, {
    text: "The packing list says five. The warehouse sends one by express, free of charge.",
  });
  const text =
    "I am sorry about that, Clara! The missing shelf is on its way by express. It will be with you on Thursday, and costs you nothing.";
  await agent("ann", "POST", `${id}/messages`, { text });
  await clara.say("Oh that is quick, wonderful! Do I need to sign for it?");
}

/** @param {string} name @param {string} email @param {string[]} texts */
async function visitor(name, email, texts) {
  const made = await Visitor.begin(server, TENANT);
  let message;
  for (const text of texts) message = await made.say(text);
  await made.call("PUT", "profile", { name, email });
  return { visitor: made, message };
}

/** Answers in the only conversation of a tenant. @param {string} tenant @param {string} text */
async function answer(tenant, text) {
  const id = await until("it was accepted", async () => {
    const { conversations } = await agent("ann", "GET", "", undefined, tenant);
    return conversations[0]?.id;
  });
  await agent("ann", "POST", `${id}/messages`, { text }, tenant);
}

/**
 * @param {string} who
 * @param {string} method
 * @param {string} path
 * @param {object} [body]
 * @param {string} [tenant]
 */
async function agent(who, method, path, body, tenant = TENANT) {
  const asked = await fetch(`${server.url}/demo/agent-token?tenantId=${tenant}&agent=${who}`);
  const { token } = await asked.json();
  const response = await fetch(`${server.url}/api/agent/conversations${path && `/${path}`}`, {
    method,
    headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
    body: body ? JSON.stringify(body) : null,
  });
  if (!response.ok)
    throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  return response.json();
}
