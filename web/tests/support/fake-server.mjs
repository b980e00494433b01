/**
 * @file A fake of the server, for tests of the dashboard that need what a real one has only after
 *   hours: 10,000 conversations, several agents at work, a server that is away. It answers in the
 *   forms of the protocol and keeps everything in memory. That the real server answers like this is
 *   for the tests against the real one.
 */

import { once } from "node:events";
import { createServer } from "node:http";
import { extname } from "node:path";

import { agentOf, file, KINDS, nameOf, POLICY, tokenOf } from "./fake-pages.mjs";
import { FakeSocket } from "./socket-server.mjs";

/** @typedef {Record<string, any>} Json */

export class FakeServer {
  #http = createServer((request, response) => void this.#answer(request, response));
  /** @type {Map<FakeSocket, {agent: string, look: Json, subscribed: boolean}>} */
  #sockets = new Map();
  /** @type {Map<string, Json>} */
  #conversations = new Map();
  /** @type {Map<string, Json[]>} */
  #events = new Map();
  #cursor = 1000;
  /** @type {Set<import("node:net").Socket>} */
  #connections = new Set();
  url = "";
  /** Nothing is answered while it is away. */
  away = false;
  /** Whether it can go on from a client's position. */
  recovers = true;
  refusing = false;
  /** What was asked, the method and the path. @type {string[]} */
  asked = [];
  now = () => Date.now();

  static async begin() {
    const server = new FakeServer();
    server.#http.on("connection", (socket) => {
      server.#connections.add(socket);
      socket.on("close", () => server.#connections.delete(socket));
    });
    server.#http.on("upgrade", (request, stream) => {
      if (server.away) return void stream.destroy();
      server.#accept(new FakeSocket(request, stream, "parlor.1"));
    });
    server.#http.listen(0, "127.0.0.1");
    await once(server.#http, "listening");
    const address = server.#http.address();
    if (typeof address === "object" && address) server.url = `http://localhost:${address.port}`;
    return server;
  }

  end() {
    for (const socket of this.#connections) socket.destroy();
    this.#http.close();
  }

  /** Cuts everybody off, until `back`. */
  leave() {
    this.away = true;
    for (const socket of this.#sockets.keys()) socket.end();
  }

  /** Takes no token any more, until `refusing` is false. */
  refuse() {
    this.refusing = true;
    for (const socket of this.#sockets.keys()) socket.close(4500);
  }

  back() {
    this.away = false;
  }

  /** The texts of the messages of a conversation. @param {string} id */
  texts(id) {
    return (this.#events.get(id) ?? [])
      .filter((e) => e.type === "message")
      .map((e) => e.message.text);
  }

  /** @param {string} id */
  conversation(id) {
    return this.#state(id, "");
  }

  // === what a test makes happen ===

  /**
   * @param {string} id
   * @param {Json} [state] what is known besides
   */
  add(id, state = {}) {
    const visitor = { id: `v-${id}`, ...state.visitor };
    const base = {
      id,
      lastMessage: null,
      lastActivity: null,
      status: "open",
      waiting: null,
      assignee: null,
      team: null,
      labels: [],
      rating: null,
      visitorAt: 0,
      marks: {},
      readByVisitor: null,
    };
    this.#conversations.set(id, { ...base, ...state, visitor });
    return id;
  }

  /** @param {string} id @param {string} text @param {Json} [more] */
  say(
    id,
    text,
    {
      sender = "user",
      author,
      timestamp = new Date(this.now()).toISOString(),
      clientMessageId,
    } = /** @type {Json} */ ({}),
  ) {
    if (!this.#conversations.has(id)) this.add(id);
    const conversation = this.#get(id);
    const cursor = this.#next();
    const message = {
      id: `m${cursor}`,
      conversationId: id,
      text,
      sender,
      author: author ?? { id: conversation.visitor.id },
      timestamp,
      cursor,
      clientMessageId,
    };
    conversation.lastMessage = { text, sender, timestamp };
    conversation.lastActivity = timestamp;
    conversation.waiting = sender === "user" ? "team" : "visitor";
    if (sender === "user") {
      conversation.visitorAt = Number(cursor);
      conversation.status = "open";
    }
    this.#tell({ type: "message", conversationId: id, message });
    return message;
  }

  /** @param {string} id @param {Json} note */
  note(
    id,
    {
      text,
      author = { id: "bob", name: "Bob Grant" },
      timestamp = new Date(this.now()).toISOString(),
      clientMessageId = undefined,
    },
  ) {
    const cursor = this.#next();
    const note = { id: `n${cursor}`, text, author, timestamp, cursor, clientMessageId };
    this.#tell({ type: "note", conversationId: id, note });
    return note;
  }

  /** @param {string} id @param {Json} patch @param {Json} author */
  change(id, patch, author, timestamp = new Date(this.now()).toISOString()) {
    const conversation = this.#get(id);
    const cursor = this.#next();
    const { status, until, assignee, team, labels } = patch;
    if (status) Object.assign(conversation, { status, until });
    if (assignee !== undefined) conversation.assignee = assignee;
    if (team !== undefined) conversation.team = team;
    if (labels) {
      const kept = conversation.labels.filter(
        (/** @type {string} */ l) => !labels.remove?.includes(l) && !labels.add?.includes(l),
      );
      conversation.labels = [...kept, ...(labels.add ?? [])].sort();
    }
    const change = {
      id: `c${cursor}`,
      author,
      by: "agent",
      timestamp,
      cursor,
      status,
      until,
      assignee,
      team,
      labels,
    };
    this.#tell({ type: "change", conversationId: id, change });
    return cursor;
  }

  /** @param {string} id @param {number} score @param {string} comment */
  rate(id, score, comment, timestamp = new Date(this.now()).toISOString()) {
    const cursor = this.#next();
    this.#get(id).rating = score;
    this.#tell({
      type: "rating",
      conversationId: id,
      rating: { id: `r${cursor}`, timestamp, cursor, score, comment },
    });
  }

  /** The visitor has read everything. @param {string} id */
  seen(id) {
    const upTo = (this.#events.get(id) ?? []).at(-1);
    const cursor = upTo?.[upTo.type]?.cursor;
    this.#get(id).readByVisitor = cursor;
    this.#tell({
      type: "read",
      conversationId: id,
      read: { by: "user", upTo: cursor, timestamp: new Date().toISOString(), cursor: this.#next() },
    });
  }

  /** An agent has read everything, long ago. @param {string} id @param {string} agent */
  markRead(id, agent) {
    this.#get(id).marks[agent] = String(this.#cursor);
  }

  /** A signal to everyone. @param {Json} frame */
  signal(frame) {
    for (const [socket, { subscribed }] of this.#sockets) if (subscribed) socket.send(frame);
  }

  // === sockets ===

  /** @param {FakeSocket} socket */
  #accept(socket) {
    /** @type {{agent: string, look: Json, subscribed: boolean}} */
    const session = { agent: "", look: {}, subscribed: false };
    this.#sockets.set(socket, session);
    socket.onEnd = () => {
      this.#sockets.delete(socket);
      this.#tellAgents(session.look.open);
    };
    socket.onText = (text) => {
      const frame = JSON.parse(text);
      if (frame.type === "hello" && this.refusing) {
        socket.close(4500);
      } else if (frame.type === "hello") {
        session.agent = agentOf(frame.token);
        socket.send({
          type: "hello",
          protocol: 1,
          session: "s",
          pingIntervalMs: 25_000,
          maxMessageBytes: 65_536,
          serverTime: new Date().toISOString(),
        });
      } else if (frame.type === "subscribe") {
        session.subscribed = true;
        socket.send({
          type: "subscribed",
          recovered: this.recovers,
          cursor: String(this.#cursor),
          replayed: 0,
        });
      } else if (frame.type === "look") {
        const before = session.look.open;
        session.look = frame;
        for (const id of new Set([...(frame.visible ?? []), frame.open])) {
          const online = this.#conversations.get(id)?.online;
          if (online !== undefined) socket.send({ type: "visitor", conversationId: id, online });
        }
        this.#tellAgents(before);
        this.#tellAgents(frame.open);
      } else if (frame.type === "typing") {
        const author = { id: session.agent, name: nameOf(session.agent) };
        for (const [other, { agent }] of this.#sockets) {
          if (agent !== session.agent)
            other.send({ ...frame, by: "agent", author, expiresInMs: 6_000 });
        }
      }
    };
  }

  /** @param {string | null | undefined} id */
  #tellAgents(id) {
    if (!id) return;
    const there = [...this.#sockets].filter(([, { look }]) => look.open === id);
    for (const [socket, { agent }] of there) {
      const agents = there.map(([, other]) => other.agent).filter((other) => other !== agent);
      socket.send({
        type: "agents",
        conversationId: id,
        agents: agents.map((other) => ({ id: other, name: nameOf(other) })),
      });
    }
  }

  /** @param {Json} frame */
  #tell(frame) {
    const id = frame.conversationId;
    if (frame.type !== "read" && frame.type !== "profile") {
      this.#events.set(id, [...(this.#events.get(id) ?? []), frame]);
    }
    for (const [socket, { subscribed }] of this.#sockets) if (subscribed) socket.send(frame);
  }

  #next() {
    this.#cursor += 1;
    return String(this.#cursor);
  }

  /** @param {string} id */
  #get(id) {
    const conversation = this.#conversations.get(id);
    if (!conversation) throw new Error(`no conversation ${id}`);
    return conversation;
  }

  /** @param {string} id @param {string} agent @returns {Json} */
  #state(id, agent) {
    const { visitorAt, marks, readByVisitor, online: _, ...state } = this.#get(id);
    const read = Object.values(marks).map(Number);
    return {
      ...state,
      unread: visitorAt > Math.max(0, ...read),
      unreadByMe: visitorAt > Number(marks[agent] ?? 0),
      read: { visitor: readByVisitor, agents: marks },
    };
  }

  // === REST ===

  /**
   * @param {import("node:http").IncomingMessage} request
   * @param {import("node:http").ServerResponse} response
   */
  async #answer(request, response) {
    const url = new URL(request.url ?? "/", this.url || "http://localhost");
    if (this.away && url.pathname.startsWith("/api/")) return void request.socket.destroy();
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString("utf8");
    const method = request.method ?? "GET";
    if (url.pathname.startsWith("/api/")) this.asked.push(`${method} ${url.pathname}`);
    const agent = agentOf(request.headers.authorization?.replace("Bearer ", "") ?? "");
    const [status, body] = url.pathname.startsWith("/api/agent/")
      ? this.#api(method, url, text === "" ? {} : JSON.parse(text), agent)
      : url.pathname === "/demo/agent-token"
        ? [200, { token: tokenOf(url.searchParams.get("agent") ?? "ann") }]
        : await file(url.pathname);
    const isFile = typeof body === "string" || Buffer.isBuffer(body);
    const kind = isFile
      ? (KINDS[/** @type {".js"} */ (extname(url.pathname))] ?? "text/html")
      : "application/json";
    response.writeHead(status, {
      "Content-Type": `${kind}; charset=utf-8`,
      "Content-Security-Policy": POLICY,
      "Cache-Control": "no-store",
    });
    response.end(isFile ? body : JSON.stringify(body));
  }

  /**
   * @param {string} method
   * @param {URL} url
   * @param {Json} body
   * @param {string} agent
   * @returns {[number, Json]}
   */
  #api(method, url, body, agent) {
    const [, , , what, rawId, part] = url.pathname.split("/");
    const id = decodeURIComponent(rawId ?? "");
    if (what === "counts") return [200, this.#counts(agent)];
    if (what !== "conversations") return [404, problem("not_found")];
    if (rawId === undefined) return [200, this.#list(url.searchParams, agent)];
    if (!this.#conversations.has(id)) return [404, problem("not_found")];
    const answer = () => ({ conversation: this.#state(id, agent), cursor: String(this.#cursor) });
    const author = { id: agent, name: nameOf(agent) };
    switch (`${method} ${part ?? ""}`) {
      case "GET ":
        return [200, answer()];
      case "PATCH ": {
        if ("ifAssignee" in body && body.ifAssignee !== this.#get(id).assignee) {
          return [409, { ...problem("conflict"), ...answer() }];
        }
        this.change(id, body, author);
        return [200, answer()];
      }
      case "GET timeline":
        return [200, this.#timeline(id, url.searchParams)];
      case "POST messages": {
        const known = (this.#events.get(id) ?? []).find(
          (e) => body.clientMessageId && e.message?.clientMessageId === body.clientMessageId,
        );
        if (known) return [200, { message: known.message, duplicate: true }];
        return [
          201,
          {
            message: this.say(id, body.text, {
              sender: "agent",
              author,
              clientMessageId: body.clientMessageId,
            }),
            duplicate: false,
          },
        ];
      }
      case "POST notes":
        return [
          201,
          {
            note: this.note(id, { text: body.text, author, clientMessageId: body.clientMessageId }),
            duplicate: false,
          },
        ];
      case "PUT mark": {
        const { marks } = this.#get(id);
        marks[agent] = String(Math.max(Number(marks[agent] ?? 0), Number(body.read)));
        this.#tell({
          type: "read",
          conversationId: id,
          read: {
            by: "agent",
            id: agent,
            upTo: marks[agent],
            timestamp: new Date().toISOString(),
            cursor: this.#next(),
          },
        });
        return [200, { read: marks[agent] }];
      }
      case "PUT profile": {
        Object.assign(this.#get(id).visitor, body);
        this.#tell({
          type: "profile",
          conversationId: id,
          profile: {
            by: "agent",
            author,
            timestamp: new Date().toISOString(),
            cursor: this.#next(),
            ...body,
          },
        });
        return [200, answer()];
      }
    }
    return [405, problem("method_not_allowed")];
  }

  /** @param {URLSearchParams} query @param {string} agent */
  #list(query, agent) {
    const [list, name = ""] = (query.get("list") ?? "all").split(/\/(.*)/s);
    const fits = (/** @type {Json} */ c) =>
      (list === "all" ||
        (list === "mine" && c.assignee === agent) ||
        (list === "none" && !c.assignee) ||
        (list === "agent" && c.assignee === name) ||
        (list === "team" && c.team === name) ||
        (list === "label" && c.labels.includes(name))) &&
      ["any", c.status].includes(query.get("status") ?? "any") &&
      [null, c.waiting].includes(query.get("waiting")) &&
      [null, c.visitor.email].includes(query.get("email"));
    const all = [...this.#conversations.values()]
      .filter(fits)
      .sort((a, b) => (a.lastActivity < b.lastActivity ? 1 : -1));
    const at = Number(query.get("after") ?? 0);
    const limit = Math.min(100, Number(query.get("limit") ?? 50));
    const hasMore = all.length > at + limit;
    return {
      conversations: all.slice(at, at + limit).map(({ id }) => this.#state(id, agent)),
      hasMore,
      next: hasMore ? String(at + limit) : null,
    };
  }

  /** @param {string} id @param {URLSearchParams} query */
  #timeline(id, query) {
    const all = this.#events.get(id) ?? [];
    const before = query.get("before");
    const limit = Number(query.get("limit") ?? 50);
    const end = before === null ? all.length : all.findIndex((e) => e[e.type].cursor === before);
    return {
      events: all.slice(Math.max(0, end - limit), end),
      hasMore: end > limit,
      cursor: String(this.#cursor),
    };
  }

  /** @param {string} agent */
  #counts(agent) {
    const all = [...this.#conversations.keys()].map((id) => this.#state(id, agent));
    const open = all.filter(({ status }) => status === "open");
    const many = (/** @type {Json[]} */ list) => Math.min(1000, list.length);
    return {
      open: many(open),
      unassigned: many(open.filter((c) => !c.assignee)),
      mine: many(open.filter((c) => c.assignee === agent)),
      waiting: many(open.filter((c) => c.waiting === "team")),
      snoozed: many(all.filter((c) => c.status === "snoozed")),
      unread: many(open.filter((c) => c.unread)),
    };
  }
}

/** @param {string} code */
function problem(code) {
  return { error: { code, message: `fake: ${code}`, retryable: false, requestId: "fake" } };
}
