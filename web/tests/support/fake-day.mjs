/** @file A day of a shop's support, on the fake server: something of everything. */

/** @import {FakeServer} from "./fake-server.mjs" */

const ANN = { id: "ann", name: "Ann Meyer" };
const BOB = { id: "bob", name: "Bob Grant" };
const MINUTE = 60_000;

/** @type {[string, {name?: string, email?: string}, string, number, Record<string, any>][]} */
const OTHERS = [
  [
    "c2",
    { name: "Tomás Herrera", email: "tomas@herrera.example" },
    "Is the walnut desk back in stock next week? I would order two of them.",
    9,
    { online: true },
  ],
  [
    "c3",
    {},
    "hi, my discount code AUTUMN10 does not work",
    16,
    { online: true, labels: ["billing"] },
  ],
  [
    "c4",
    { name: "Priya Nair", email: "priya.nair@example.org" },
    "Thank you, that solved it!",
    34,
    { assignee: "ann", labels: ["vip"] },
  ],
  [
    "c5",
    { name: "小林 遥", email: "haruka@example.jp" },
    "配送先の住所を変更できますか？",
    52,
    { assignee: "bob", team: "logistics" },
  ],
  [
    "c6",
    { name: "Lars Østergaard" },
    "The invoice has the wrong VAT number, could you send a new one? Our accountant needs it by Friday.",
    75,
    { labels: ["billing", "b2b"], team: "billing" },
  ],
  [
    "c7",
    { name: "יעל כהן", email: "yael@example.co.il" },
    "שלום, מתי ההזמנה שלי תגיע?",
    110,
    { team: "logistics" },
  ],
  ["c8", {}, "do you ship to Iceland?", 150, {}],
  [
    "c9",
    { name: "Maya Johnson", email: "maya.j@example.com" },
    "Perfect, see you then.",
    200,
    { assignee: "ann", rating: 5 },
  ],
  [
    "c10",
    { name: "Olivier Petit", email: "olivier@petit.example" },
    "La chaise grince un peu, est-ce normal ?",
    260,
    { labels: ["returns"] },
  ],
  [
    "c11",
    { name: "Fatima Zahra" },
    "I would like to return the lamp, it arrived with a scratch on the base.",
    1500,
    { labels: ["returns"], assignee: "bob" },
  ],
  ["c12", { name: "Noah Williams", email: "noah@example.com" }, "ok", 2000, {}],
  ["c13", {}, "Are the covers washable?", 3100, {}],
];

/** @param {FakeServer} server @returns the conversation that has most in it */
export function playDay(server) {
  const now = server.now();
  const at = (/** @type {number} */ minutes) => new Date(now - minutes * MINUTE).toISOString();
  for (const [id, visitor, text, minutes, state] of [...OTHERS].reverse()) {
    server.add(id, { visitor, ...state });
    const answered = ["c4", "c9", "c12"].includes(id);
    server.say(id, answered ? "Hello, I have a question about my order." : text, {
      timestamp: at(minutes + 3),
    });
    if (answered) server.say(id, text, { timestamp: at(minutes), sender: "agent", author: ANN });
    if (minutes > 60 || answered) read(server, id, "bob");
  }
  for (const [id, until] of [
    ["s1", 60],
    ["s2", 1200],
  ]) {
    server.add(String(id), { visitor: { name: id === "s1" ? "Elena Rossi" : "Sam Okafor" } });
    server.say(String(id), "I will send you the photos tomorrow.", { timestamp: at(400) });
    server.change(
      String(id),
      { status: "snoozed", until: new Date(now + Number(until) * MINUTE).toISOString() },
      ANN,
      at(390),
    );
    read(server, String(id), "ann");
  }
  const id = server.add("c1", {
    visitor: {
      name: "Clara Lindqvist",
      email: "clara.lindqvist@example.com",
      locale: "sv-SE",
      attributes: { plan: "Plus", "last order": "#48213 · €189.00", city: "Göteborg" },
    },
    online: true,
  });
  const say = (
    /** @type {number} */ minutes,
    /** @type {string} */ text,
    /** @type {object | undefined} */ author = undefined,
  ) => server.say(id, text, { timestamp: at(minutes), ...(author && { sender: "agent", author }) });
  say(1460, "Hello! I ordered the oak bookshelf last week. When will it be delivered?");
  say(
    1452,
    "Good day Clara! It left our warehouse this morning and should be with you tomorrow. You can follow it here: https://shop.example/track/48213",
    BOB,
  );
  server.change(id, { team: "logistics", labels: { add: ["vip"] } }, BOB, at(1451));
  say(
    18,
    "It arrived today, thank you. But one of the shelves is missing from the box, there are only four.",
  );
  say(17, "I have looked under all the cardboard 🙈");
  server.change(id, { assignee: "ann" }, ANN, at(14));
  server.note(id, {
    text: "The packing list says five. Warehouse confirms that a batch left with four, so we send one by express, free of charge.",
    author: BOB,
    timestamp: at(11),
  });
  say(
    8,
    "I am sorry about that, Clara! I have asked the warehouse to send the missing shelf by express. It will be with you on Thursday, and costs you nothing.",
    ANN,
  );
  server.seen(id);
  say(2, "Oh that is quick, wonderful! Do I need to sign for it?");
  return id;
}

/** @param {FakeServer} server @param {string} id @param {string} agent */
function read(server, id, agent) {
  server.markRead(id, agent);
}
