/** Types of Parlor's client module. */

/** A message as the server keeps and shows it. */
export interface Message {
  readonly type?: "message";
  readonly id: string;
  readonly conversationId: string;
  /** As the author wrote it. Show it with `textContent`, never as markup. */
  readonly text: string;
  readonly sender: "user" | "agent" | "bot";
  readonly author?: { readonly id: string; readonly name?: string };
  /** ISO 8601, UTC, milliseconds. */
  readonly timestamp: string;
  /** Its position, for `since`, `before` and `after`. */
  readonly cursor: string;
  readonly clientMessageId?: string;
}

export interface Author {
  /** Left out where a visitor is told of agents. */
  readonly id?: string;
  readonly name?: string;
}

/** A note among agents. */
export interface Note {
  readonly type: "note";
  readonly id: string;
  readonly conversationId: string;
  /** Show it with `textContent`, never as markup. */
  readonly text: string;
  readonly author?: Author;
  readonly timestamp: string;
  readonly cursor: string;
  readonly clientMessageId?: string;
}

/** What was changed of a conversation; a visitor is told of the status alone. */
export interface Change {
  readonly type: "change";
  readonly id: string;
  readonly conversationId: string;
  readonly author?: Author;
  readonly by?: "user" | "agent" | "bot";
  readonly timestamp: string;
  readonly cursor: string;
  readonly status?: "open" | "snoozed" | "closed";
  /** ISO 8601; with `snoozed`. */
  readonly until?: string;
  readonly assignee?: string | null;
  readonly team?: string | null;
  readonly labels?: { readonly add?: string[]; readonly remove?: string[] };
}

/** What the visitor thought of it, after it was closed. */
export interface Rating {
  readonly type: "rating";
  readonly id: string;
  readonly conversationId: string;
  readonly author?: Author;
  readonly timestamp: string;
  readonly cursor: string;
  /** 1 to 5. */
  readonly score: number;
  readonly comment?: string;
}

/** Agents: several conversations turned out to be one visitor's. */
export interface Linked {
  readonly type: "linked";
  /** Made of the conversations; the same again says the same. */
  readonly id: string;
  readonly visitorId?: string;
  readonly conversationIds: string[];
  readonly conversationId?: undefined;
  readonly timestamp?: string;
  readonly cursor?: string;
}

/** Somebody has read everything up to the item whose cursor is `upTo`. */
export interface Read {
  readonly type: "read";
  readonly conversationId: string;
  readonly by: "user" | "agent";
  /** Left out where a visitor is told of agents. */
  readonly id?: string;
  readonly upTo: string;
  readonly timestamp: string;
  readonly cursor: string;
}

/** What a visitor is called, and where to write to; `null` removes. */
export interface Profile {
  readonly name?: string | null;
  readonly email?: string | null;
  readonly locale?: string | null;
  readonly attributes?: { readonly [name: string]: string | null };
}

/** Agents: what was changed of a visitor's profile. */
export interface ProfileChange extends Profile {
  readonly type: "profile";
  readonly conversationId: string;
  readonly by?: "user" | "agent" | "bot";
  readonly author?: Author;
  readonly timestamp: string;
  readonly cursor: string;
}

/** The kinds of things that a tenant's agents share. */
export type DeskItem = "reply" | "team" | "label" | "widget" | "agent";

/** Agents: a thing that they share, as it is from now on. */
export interface DeskChange {
  readonly type: "desk";
  readonly conversationId?: undefined;
  readonly item: DeskItem;
  readonly key: string;
  /** `null` where it is gone. */
  readonly value: Readonly<Record<string, unknown>> | null;
  readonly by?: "user" | "agent" | "bot";
  readonly author?: Author;
  readonly timestamp: string;
  readonly cursor: string;
}

/** What a timeline holds, told apart by `type`. A visitor's holds messages, and changes as told. */
export type TimelineItem = Message | Note | Change | Rating | Linked;
/** What the stream brings. */
export type StreamItem = TimelineItem | Read | ProfileChange | DeskChange;

/** Somebody else is typing. After `on` comes `off`, at the latest by time. */
export interface Typing {
  readonly conversationId: string;
  readonly by: "user" | "agent" | "bot";
  readonly author?: Author;
  readonly on: boolean;
  readonly expiresInMs?: number;
}

/** Whether somebody of the team is online; `null` where it is not known. */
export type HereState = boolean | null;
export type VisitorStatus = "open" | "closed";

/** What was asked to be sent and is not accepted yet. */
export interface Draft {
  readonly clientMessageId: string;
  readonly text: string;
  /** Agents only: the conversation it goes to. */
  readonly conversationId?: string | undefined;
}

/** The server's word that a draft is a message now, and will not be lost. */
export interface Receipt {
  readonly clientMessageId: string;
  /** The message's id. */
  readonly id: string;
  readonly timestamp: string;
  /** It had been accepted before. */
  readonly duplicate: boolean;
}

export interface ErrorDetail {
  readonly field: string;
  readonly code: string;
}

/**
 * An error of the server, or of the client itself (`network`, `timeout`, `disconnected`, `empty`,
 * `too_long`, `too_many_drafts`, `expired`, `incomplete`, `bad_answer`, and `closed_4500` for that
 * close code and its like).
 */
export class ParlorError extends Error {
  constructor(
    message: string,
    facts: {
      code: string;
      retryable?: boolean | undefined;
      retryAfterMs?: number | undefined;
      requestId?: string | undefined;
      status?: number | undefined;
      details?: ErrorDetail[] | undefined;
      conversation?: Conversation | undefined;
    },
  );
  readonly code: string;
  /** Whether the same may succeed later. */
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;
  readonly requestId: string | undefined;
  /** The HTTP status, where there was one. */
  readonly status: number | undefined;
  readonly details: ErrorDetail[];
  /** Agents: with the code `conflict`, what the conversation is like now. */
  readonly conversation: Conversation | undefined;
}

/**
 * - `idle`: not started.
 * - `connecting`: a session, a socket or a subscription is being opened.
 * - `online`: subscribed; what is sent goes out, what is said comes in.
 * - `waiting`: lost; comes back by itself after `retryInMs`.
 * - `closed`: does not come back by itself; `error` says why, unless `close()` was called.
 */
export type ClientState = "idle" | "connecting" | "online" | "waiting" | "closed";

export interface StateDetail {
  readonly state: ClientState;
  readonly previous: ClientState;
  /**
   * With `online`: sockets are blocked, and the client asks every few seconds. When a socket opens,
   * `online` is told again without this.
   */
  readonly polling?: boolean | undefined;
  readonly retryInMs?: number | undefined;
  readonly error?: ParlorError | undefined;
}

export type Source = "history" | "stream";

export interface ParlorEventMap {
  /**
   * A message, each once, in order: from a page of history or from the stream. Only what could not
   * be loaded in time comes late, from history, after what was said meanwhile.
   */
  message: { readonly message: Message; readonly source: Source };
  /** Agents: a note, as `message`. */
  note: { readonly note: Note; readonly source: Source };
  /** As `message`; a visitor is told of the status, by the stream alone. */
  change: { readonly change: Change; readonly source: Source };
  /** Agents: as `message`. */
  rating: { readonly rating: Rating; readonly source: Source };
  /** Agents: as `message`, in every conversation that is one of them. */
  linked: { readonly linked: Linked; readonly source: Source };
  read: { readonly read: Read; readonly source: "stream" };
  /** Agents. */
  profile: { readonly profile: ProfileChange; readonly source: "stream" };
  /** Agents: something was put on the desk, or taken away; one's own too. */
  desk: { readonly desk: DeskChange; readonly source: "stream" };
  typing: Typing;
  /** Agents: whether a visitor is online whose conversation is looked at. */
  visitor: { readonly conversationId: string; readonly online: boolean };
  /** Agents: who else has the conversation open now that this one has open. */
  agents: { readonly conversationId: string; readonly agents: { id: string; name?: string }[] };
  /** Visitors: the property `here` changed. */
  here: { readonly here: HereState };
  /** A draft is a message now. It is shown by `message`, which may come before or after this. */
  accepted: Receipt;
  /** A draft was refused for good and left the queue. */
  failed: { readonly draft: Draft; readonly error: ParlorError };
  /** The connection's state changed. */
  state: StateDetail;
  /**
   * Something may have been missed. Opened conversations are loaded again by the client; an inbox
   * is yours.
   */
  gap: { readonly conversationId?: string | undefined };
}

export interface PageQuery {
  before?: string | undefined;
  after?: string | undefined;
  /** 1 to 100. */
  limit?: number | undefined;
}

export interface HistoryPage {
  /** Oldest first. */
  messages: Message[];
  /** The messages and what stands between them. */
  items?: TimelineItem[];
  hasMore: boolean;
  /** The position of the snapshot, for `since`. */
  cursor?: string;
  /** Older messages cannot be reached just now. */
  incomplete?: boolean;
}

export interface InboxQuery {
  /**
   * `all` (the default), `mine`, `none` (nobody's), `agent/<id>`, `team/<name>`, `label/<name>`.
   */
  list?: string | undefined;
  /** `any` by default. */
  status?: "open" | "snoozed" | "closed" | "any" | undefined;
  /** Who is awaited. */
  waiting?: "team" | "visitor" | undefined;
  /** Exactly the visitor's address. */
  email?: string | undefined;
  /** The visitor's id. */
  user?: string | undefined;
  /** The `next` of the page before. */
  after?: string | undefined;
  limit?: number | undefined;
}

/** The state of a conversation. Servers before note and status tell the first four fields only. */
export interface Conversation {
  readonly id: string;
  /** `null` where there are only notes. */
  readonly lastMessage: Pick<Message, "text" | "sender" | "timestamp"> | null;
  /** ISO 8601. */
  readonly lastActivity: string | null;
  readonly visitor: ConversationVisitor | null;
  readonly status?: "open" | "snoozed" | "closed";
  /** ISO 8601; with `snoozed`. */
  readonly until?: string;
  /** Who is awaited. */
  readonly waiting?: "team" | "visitor" | null;
  readonly assignee?: string | null;
  readonly team?: string | null;
  readonly labels?: string[];
  readonly rating?: number | null;
  /** No agent has read what the visitor wrote last; or this one has not. */
  readonly unread?: boolean;
  readonly unreadByMe?: boolean;
  /** Cursors up to which was read. */
  readonly read?: { readonly visitor: string | null; readonly agents: Record<string, string> };
}

export interface ConversationVisitor {
  readonly id: string;
  readonly name?: string;
  readonly email?: string;
  readonly locale?: string;
  readonly attributes?: Readonly<Record<string, string>>;
}

/** @deprecated The name before; use `Conversation`. */
export type InboxConversation = Conversation;

export interface InboxPage {
  conversations: Conversation[];
  hasMore: boolean;
  next?: string | null;
}

/** What the tenant's agents are told, after a position. */
export interface ChangesPage {
  /** Frames, as sockets bring them. */
  changes: unknown[];
  /** The position after them. */
  cursor?: string;
  hasMore: boolean;
  /** Whether nothing is missing between `since` and these. */
  recovered: boolean;
}

export interface ParlorOptions {
  /** Where the server is; without it, where the page came from. */
  baseUrl?: string | URL | undefined;
  tenantId: string;
  /**
   * Makes this an agent's client: a JWT, or (better, since tokens end) a function that fetches one.
   */
  token?: string | (() => string | Promise<string>) | undefined;
  /**
   * How a visitor is known: by cookie (the default), or by a token kept in storage, where cookies
   * are blocked.
   */
  credential?: "cookie" | "token" | undefined;
  /** Sent as `Authorization: Bearer pk_…` where the tenant wants one. */
  publishableKey?: string | undefined;
  /** Whose drafts are kept; for pages on which several people sign in one after another. */
  identity?: string | undefined;
  /**
   * Proves who the visitor is: fetches a JWT from your server, before each connection. Its visitor
   * is the same one on every device; nothing of it is kept in the browser. Make a new client, with
   * another `identity`, when somebody signs in or out.
   */
  identify?: (() => string | Promise<string>) | undefined;
  /** Where drafts and tokens are kept; `localStorage` by default, `null` for nowhere. */
  storage?: Storage | null | undefined;
  /** Name and version of what uses this module, for the server's log. */
  client?: string | undefined;
  /** How long an answer of the server may take. */
  timeoutMs?: number | undefined;
}

/** What visitors' and agents' clients have in common. */
export interface ParlorBase {
  readonly state: ClientState;
  /** Online without a socket: the client asks every few seconds. */
  readonly polling: boolean;
  /** The drafts that wait, oldest first; after a reload, those of the page before. */
  readonly drafts: Draft[];

  /** Starts, or starts again after `closed`. */
  connect(): void;
  /** Ends the connection for good; drafts stay where they are. */
  close(): void;

  /**
   * Queues a text; the events tell what becomes of it. An agent names the conversation.
   * @throws {ParlorError} `empty`, `too_many_drafts`
   */
  send(text: string, to?: { conversationId?: string | undefined }): Draft;

  /**
   * Agents: follows a conversation; its newest page comes as `message` events, with the other
   * events of a timeline where the server has them. Again, for a retry.
   */
  open(conversationId: string): Promise<void>;
  /** Agents: stops following a conversation, so that gaps do not load it again. */
  leave(conversationId: string): void;
  /** Whether there is a page before what was shown. */
  hasOlder(conversationId?: string): boolean;
  /** The page before what was shown; not sent as events, since it belongs at the top. */
  older(conversationId?: string): Promise<HistoryPage>;
  /** All that was shown of an open conversation, older pages included: in order, each once. */
  timeline(conversationId?: string): TimelineItem[];
  /** Agents: a page of the tenant's conversations, last active first. */
  inbox(query?: InboxQuery): Promise<InboxPage>;
}

/**
 * A visitor's client. With `token` it is an agent's that knows messages and the inbox; all else is
 * in `ParlorAgent` of `agent.js`, and what visitors do throws a TypeError.
 */
export interface ParlorClient extends ParlorBase {}
export class ParlorClient extends EventTarget {
  constructor(options: ParlorOptions);

  /** A visitor's conversation; known after the first connection. */
  readonly conversationId: string | undefined;
  /** Whether somebody of the team is online; `null` while nobody knows. */
  readonly here: HereState;
  /** Whether the conversation is closed; what the visitor writes opens it. */
  readonly status: VisitorStatus | undefined;
  /** The cursor of the last event that the team has read; what comes before it was read too. */
  readonly readByTeam: string | undefined;

  /**
   * Tells the agents that the visitor is typing: call it at every key. It goes out every 3 s at
   * most, and ends 6 s after the last call, or with `false`, or with `send`.
   */
  typing(on: boolean): void;
  /** Everything up to this was read. Told every 2 s at most; it only rises. */
  markRead(cursor: string): void;
  /**
   * Tells who the visitor is. Before the first message the server has no place for it: then it is
   * kept by this page, and sent once a message was accepted.
   * @returns whether the server has it now
   */
  setProfile(profile: Profile): Promise<boolean>;
  closeConversation(): Promise<void>;
  /** Once for each closing; 404 where it is not closed. @param score 1 to 5 */
  rate(score: number, comment?: string): Promise<void>;

  addEventListener<K extends keyof ParlorEventMap>(
    type: K,
    listener: (event: CustomEvent<ParlorEventMap[K]>) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
}
