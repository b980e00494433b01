/** @file The state of a conversation, as frames change it. Everything here is a pure function. */

/** @import {Change, Frame, Profile, State, Status, Visitor} from "./types.js" */

/** @param {string | null | undefined} text @param {string} otherwise */
const string = (text, otherwise) => (typeof text === "string" ? text : otherwise);

/**
 * A state as the server sent it, made whole.
 *
 * @param {Partial<State> & {id: string}} raw
 * @returns {State}
 */
export function whole(raw) {
  const { lastMessage = null } = raw;
  const waiting = lastMessage ? (lastMessage.sender === "user" ? "team" : "visitor") : null;
  return {
    id: raw.id,
    lastMessage,
    lastActivity: raw.lastActivity ?? lastMessage?.timestamp ?? null,
    visitor: raw.visitor ?? null,
    status: raw.status ?? "open",
    until: raw.until ?? undefined,
    waiting: raw.waiting === undefined ? waiting : raw.waiting,
    assignee: raw.assignee ?? null,
    team: raw.team ?? null,
    labels: raw.labels ?? [],
    rating: raw.rating ?? null,
    unread: raw.unread ?? false,
    unreadByMe: raw.unreadByMe ?? false,
    read: { visitor: raw.read?.visitor ?? null, agents: raw.read?.agents ?? {} },
  };
}

/**
 * A conversation that is known by a frame alone; the server is asked for the rest.
 *
 * @param {string} id
 */
export function unknown(id) {
  return whole({ id });
}

/**
 * What is in force now: a snooze ends by itself.
 *
 * @param {State} state
 * @param {number} now
 * @returns {Status}
 */
export function statusOf(state, now) {
  const over = state.status === "snoozed" && state.until && new Date(state.until).getTime() <= now;
  return over ? "open" : state.status;
}

/**
 * @param {State} state
 * @param {Frame} frame
 * @param {string} me the agent who looks
 * @returns {State} the same object where nothing changes
 */
export function apply(state, frame, me) {
  switch (frame.type) {
    case "message":
      return said(state, frame.message, me);
    case "change":
      return changed(state, frame.change);
    case "read": {
      const { by, id, upTo } = frame.read;
      if (by === "user") return { ...state, read: { ...state.read, visitor: upTo } };
      if (id === undefined) return state;
      const agents = { ...state.read.agents, [id]: upTo };
      return { ...state, read: { ...state.read, agents } };
    }
    case "profile":
      return { ...state, visitor: profiled(state.visitor ?? { id: state.id }, frame.profile) };
    case "rating":
      return { ...state, rating: frame.rating.score };
    default:
      return state;
  }
}

/**
 * @param {State} state
 * @param {import("./types.js").Message} message
 * @param {string} me
 * @returns {State}
 */
function said(state, { text, sender, timestamp, author }, me) {
  if (state.lastActivity && timestamp < state.lastActivity) return state;
  const fromVisitor = sender === "user";
  /** @type {State} */
  const next = {
    ...state,
    lastMessage: { text, sender, timestamp },
    lastActivity: timestamp,
    waiting: fromVisitor ? "team" : "visitor",
  };
  if (fromVisitor) {
    const visitor = state.visitor ?? (author ? { id: author.id } : null);
    return { ...next, visitor, status: "open", until: undefined, unread: true, unreadByMe: true };
  }
  return author?.id === me ? { ...next, unread: false, unreadByMe: false } : next;
}

/** @param {State} state @param {Change} change @returns {State} */
function changed(state, { status, until, assignee, team, labels }) {
  const removed = new Set(labels?.remove ?? []);
  const kept = state.labels.filter((label) => !removed.has(label));
  const added = (labels?.add ?? []).filter((label) => !kept.includes(label));
  return {
    ...state,
    ...(status !== undefined && { status, until: status === "snoozed" ? until : undefined }),
    ...(assignee !== undefined && { assignee }),
    ...(team !== undefined && { team }),
    ...(labels && { labels: [...kept, ...added] }),
  };
}

/** @param {Visitor} visitor @param {Profile} profile @returns {Visitor} */
function profiled(visitor, { name, email, locale, attributes }) {
  /** @type {Record<string, string>} */
  const kept = { ...visitor.attributes };
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (value === null) delete kept[key];
    else kept[key] = value;
  }
  return {
    ...visitor,
    ...(name !== undefined && { name }),
    ...(email !== undefined && { email }),
    ...(locale !== undefined && { locale }),
    attributes: kept,
  };
}

/**
 * Whether a conversation is in a view.
 *
 * @param {string} view
 * @param {State} state
 * @param {string} me
 * @param {number} now
 */
export function belongs(view, state, me, now) {
  const status = statusOf(state, now);
  const [kind, name] = split(view);
  switch (kind) {
    case "mine":
      return status === "open" && state.assignee === me;
    case "none":
      return status === "open" && state.assignee === null;
    case "waiting":
      return status === "open" && state.waiting === "team";
    case "open":
      return status === "open";
    case "snoozed":
      return status === "snoozed";
    case "closed":
      return status === "closed";
    case "team":
      return status === "open" && state.team === name;
    case "label":
      return status === "open" && state.labels.includes(name);
    case "email":
      return string(state.visitor?.email, "").toLowerCase() === name.toLowerCase();
    default:
      return false;
  }
}

/**
 * What the server is asked for a view.
 *
 * @param {string} view
 * @returns {import("../client/agent.js").InboxQuery}
 */
export function queryOf(view) {
  const [kind, name] = split(view);
  switch (kind) {
    case "mine":
    case "none":
      return { list: kind, status: "open" };
    case "waiting":
      return { status: "open", waiting: "team" };
    case "team":
    case "label":
      return { list: view, status: "open" };
    case "email":
      return { email: name };
    default:
      return { status: /** @type {"open" | "snoozed" | "closed"} */ (kind) };
  }
}

/** @param {string} view @returns {[string, string]} */
export function split(view) {
  const at = view.indexOf("/");
  return at < 0 ? [view, ""] : [view.slice(0, at), view.slice(at + 1)];
}
