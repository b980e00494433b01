/** What the dashboard's parts tell each other about. */

export type Status = "open" | "snoozed" | "closed";
export type Side = "user" | "agent" | "bot";

export interface Visitor {
  readonly id: string;
  readonly name?: string | null;
  readonly email?: string | null;
  readonly locale?: string | null;
  readonly attributes?: Readonly<Record<string, string>>;
}

/** The state of a conversation, whole: what an older server leaves out is filled in. */
export interface State {
  readonly id: string;
  readonly lastMessage: { text: string; sender: Side; timestamp: string } | null;
  readonly lastActivity: string | null;
  readonly visitor: Visitor | null;
  readonly status: Status;
  readonly until?: string | undefined;
  readonly waiting: "team" | "visitor" | null;
  readonly assignee: string | null;
  readonly team: string | null;
  readonly labels: readonly string[];
  readonly rating: number | null;
  readonly unread: boolean;
  readonly unreadByMe: boolean;
  readonly read: { readonly visitor: string | null; readonly agents: Readonly<Record<string, string>> };
}

export interface Author {
  readonly id: string;
  readonly name?: string | undefined;
}

interface Event {
  readonly id: string;
  readonly timestamp: string;
  readonly cursor: string;
}

export interface Message extends Event {
  readonly text: string;
  readonly sender: Side;
  readonly author?: Author | undefined;
  readonly clientMessageId?: string | undefined;
}
export interface Note extends Event {
  readonly text: string;
  readonly author: Author;
  readonly clientMessageId?: string | undefined;
}
export interface Change extends Event {
  readonly author?: Author;
  readonly by?: Side;
  readonly status?: Status;
  readonly until?: string;
  readonly assignee?: string | null;
  readonly team?: string | null;
  readonly labels?: { readonly add?: readonly string[]; readonly remove?: readonly string[] };
}
export interface Rating extends Event {
  readonly author?: Author;
  readonly score: number;
  readonly comment?: string;
}
export interface Read {
  readonly by: Side;
  readonly id?: string;
  readonly upTo: string;
  readonly timestamp: string;
  readonly cursor: string;
}
export interface Profile {
  readonly by?: Side;
  readonly author?: Author;
  readonly timestamp: string;
  readonly cursor: string;
  readonly name?: string | null;
  readonly email?: string | null;
  readonly locale?: string | null;
  readonly attributes?: Readonly<Record<string, string | null>>;
}

/** A frame of the stream, or an entry of a timeline. */
export type Frame =
  | { type: "message"; conversationId: string; message: Message }
  | { type: "note"; conversationId: string; note: Note }
  | { type: "change"; conversationId: string; change: Change }
  | { type: "rating"; conversationId: string; rating: Rating }
  | { type: "read"; conversationId: string; read: Read }
  | { type: "profile"; conversationId: string; profile: Profile }
  | { type: "linked"; conversationIds: string[]; visitorId: string; conversationId?: string };

export type Signal =
  | {
      type: "typing";
      conversationId: string;
      by: Side;
      author?: { id?: string; name?: string };
      on: boolean;
      expiresInMs?: number;
    }
  | { type: "visitor"; conversationId: string; online: boolean }
  | { type: "agents"; conversationId: string; agents: Author[] };

export interface Patch {
  status?: Status;
  until?: string;
  assignee?: string | null;
  team?: string | null;
  labels?: { add?: string[]; remove?: string[] };
  ifAssignee?: string | null;
  clientMessageId?: string;
}

export interface ProfilePatch {
  name?: string | null;
  email?: string | null;
  locale?: string | null;
}

export interface Counts {
  open: number;
  unassigned: number;
  mine: number;
  waiting: number;
  snoozed: number;
  unread: number;
}

/** A view: the list the server is asked for, and what belongs to it. */
export interface View {
  /** `mine`, `none`, `waiting`, `open`, `snoozed`, `closed`, `team/x`, `label/x`, `email/x`. */
  readonly key: string;
}

export interface Me {
  readonly id: string;
  readonly name: string;
}

export interface Draft {
  readonly clientMessageId: string;
  readonly text: string;
  readonly conversationId?: string | undefined;
}
