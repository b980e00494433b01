/** Types of Parlor's client module. */

/** A message as the server keeps and shows it. */
export interface Message {
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
  readonly retryInMs?: number | undefined;
  readonly error?: ParlorError | undefined;
}

export interface ParlorEventMap {
  /**
   * A message, each once, in order: from a page of history or from the stream. Only what could not
   * be loaded in time comes late, from history, after what was said meanwhile.
   */
  message: { readonly message: Message; readonly source: "history" | "stream" };
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
  hasMore: boolean;
  /** The position of the snapshot, for `since`. */
  cursor?: string;
  /** Older messages cannot be reached just now. */
  incomplete?: boolean;
}

export interface InboxQuery {
  status?: "open" | "closed" | undefined;
  /** The `next` of the page before. */
  after?: string | undefined;
  limit?: number | undefined;
}

export interface InboxConversation {
  readonly id: string;
  readonly lastMessage: Pick<Message, "text" | "sender" | "timestamp">;
  /** ISO 8601. */
  readonly lastActivity: string;
  readonly visitor: { readonly id: string; readonly name?: string } | null;
  readonly status?: "open" | "closed";
}

export interface InboxPage {
  conversations: InboxConversation[];
  hasMore: boolean;
  next?: string;
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
  /** Where drafts and tokens are kept; `localStorage` by default, `null` for nowhere. */
  storage?: Storage | null | undefined;
  /** Name and version of what uses this module, for the server's log. */
  client?: string | undefined;
  /** How long an answer of the server may take. */
  timeoutMs?: number | undefined;
}

export class ParlorClient extends EventTarget {
  constructor(options: ParlorOptions);

  readonly state: ClientState;
  /** A visitor's conversation; known after the first connection. */
  readonly conversationId: string | undefined;
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
   * Agents: follows a conversation; its newest page comes as `message` events. Again, for a retry.
   */
  open(conversationId: string): Promise<void>;
  /** Agents: stops following a conversation, so that gaps do not load it again. */
  leave(conversationId: string): void;
  /** Whether there is a page before what was shown. */
  hasOlder(conversationId?: string): boolean;
  /** The page before what was shown; not sent as events, since it belongs at the top. */
  older(conversationId?: string): Promise<HistoryPage>;
  /** Agents: a page of the tenant's conversations, last active first. */
  inbox(query?: InboxQuery): Promise<InboxPage>;

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
