/** Types of Parlor's client module for agents. */

import type {
  ChangesPage,
  Conversation,
  DeskItem,
  Note,
  ParlorBase,
  ParlorEventMap,
  ParlorOptions,
  Profile,
} from "./parlor.js";

export { ParlorError } from "./parlor.js";
export type * from "./parlor.js";

export interface AgentOptions
  extends Omit<ParlorOptions, "credential" | "publishableKey" | "token"> {
  /** A JWT, or (better, since tokens end) a function that fetches one. */
  token: string | (() => string | Promise<string>);
}

/** A conversation, and the position of the stream up to which this is its state. */
export interface ConversationAnswer {
  conversation: Conversation;
  cursor?: string;
}

/** What is to be changed of a conversation. */
export interface Patch {
  status?: "open" | "snoozed" | "closed" | undefined;
  /** ISO 8601, within a year; with `snoozed`. */
  until?: string | undefined;
  assignee?: string | null | undefined;
  team?: string | null | undefined;
  labels?: { add?: string[]; remove?: string[] } | undefined;
  /** Only if this is the assignee; otherwise nothing changes, and the answer is `conflict`. */
  ifAssignee?: string | null | undefined;
  /** The same id again changes nothing again; without it one is made. */
  clientMessageId?: string | undefined;
}

/** Each at most 1000, which means as many or more. */
export interface Counts {
  open: number;
  unassigned: number;
  mine: number;
  waiting: number;
  snoozed: number;
  unread: number;
}

/** A thing that the tenant's agents share: a JSON object of 2,048 bytes at most. */
export type DeskValue = Readonly<Record<string, unknown>>;

/** All of the desk, by kind and key, and the position of the stream up to which this is it. */
export interface DeskAnswer {
  desk: { [item in DeskItem]?: { [key: string]: DeskValue } };
  cursor?: string;
}

export interface DeskThing {
  item: DeskItem;
  key: string;
  /** `null` where it is gone. */
  value: DeskValue | null;
}

/** What the agent is called among agents, and whether the agent is away. */
export interface Me {
  name?: string | undefined;
  availability: "online" | "away";
}

export interface Look {
  /** The conversation that is open. */
  open: string | null;
  /** The conversations whose rows are seen, 64 at most. */
  visible: string[];
}

/** An agent's client. What it writes beside messages is tried again while answers get lost. */
export interface ParlorAgent extends ParlorBase {}
export class ParlorAgent extends EventTarget {
  constructor(options: AgentOptions);

  /** One conversation as it is now. */
  conversation(id: string): Promise<ConversationAnswer>;
  counts(): Promise<Counts>;
  /** What all agents are told, after a position; without one, only the position. */
  changes(since?: string, limit?: number): Promise<ChangesPage>;
  /**
   * @throws {ParlorError} `conflict`, with the `conversation` as it is, where `ifAssignee` does not
   *   hold
   */
  update(id: string, patch: Patch): Promise<ConversationAnswer>;
  /** Writes a note that only agents see. @throws {ParlorError} `empty` */
  note(id: string, text: string): Promise<Note>;
  /** Changes the visitor's profile; `null` removes. */
  setProfile(id: string, profile: Profile): Promise<ConversationAnswer>;
  /** What the tenant's agents share; `desk` events tell what becomes of it. */
  desk(): Promise<DeskAnswer>;
  /**
   * Puts a thing on the desk, or another in its place; `null` takes it away.
   * @throws {ParlorError} `forbidden` where only an admin may, `invalid`
   */
  furnish(item: DeskItem, key: string, value: DeskValue | null): Promise<DeskThing>;
  /** Says what this agent is called, and whether the agent is away. */
  setMe(me: Me): Promise<DeskThing>;
  /** Everything up to this was read. Told every 2 s at most; it only rises. */
  markRead(id: string, cursor: string): void;
  /** Tells that this agent is typing: every 3 s at most, until 6 s after the last call. */
  typing(id: string, on: boolean): void;
  /**
   * Tells what this agent looks at, every 2 s at most and again after a reconnect; `visitor` and
   * `agents` events follow it.
   */
  look(look: Partial<Look>): void;

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
