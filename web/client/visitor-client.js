/** @file A visitor's client; what `parlor.js` exports as `ParlorClient`. */

/** @import {HereState, Profile, Receipt, StreamItem, VisitorStatus} from "./parlor.js" */
/** @import {Frame} from "./link.js" */
/** @import {Session} from "./rest.js" */

import { Client } from "./client.js";
import { VisitorIdentity } from "./identity.js";
import { Mark } from "./marks.js";
import { TypingTold } from "./typing.js";

/** With an agent's token it is an agent's client that knows messages and the inbox. */
export class VisitorClient extends Client {
  /** @type {HereState} */
  here = null;
  /** @type {VisitorStatus | undefined} */
  status;
  /** @type {string | undefined} */
  readByTeam;

  /** The session whose status was read. @type {Session | undefined} */
  #session;
  #typing = new TypingTold((on) => this.signal({ type: "typing", on }));
  /** The last mark went out by socket, and nothing was heard since: it may be lost. */
  #markUnsure = false;
  #mark = new Mark(
    (cursor) => this.place(undefined, cursor),
    (cursor) => this.#tellMark(cursor),
  );
  /** @type {import("./profile.js").PendingProfile | undefined} */
  #profile;

  /**
   * @override
   * @param {string} text
   * @param {{conversationId?: string | undefined}} [to]
   */
  send(text, to) {
    const draft = super.send(text, to);
    this.#typing.set(false);
    return draft;
  }

  /** @param {boolean} on */
  typing(on) {
    this.#visitorOnly();
    this.#typing.set(on);
  }

  /** @param {string} cursor */
  markRead(cursor) {
    this.#visitorOnly();
    this.#mark.set(cursor);
  }

  /** @param {Profile} profile */
  async setProfile(profile) {
    this.#visitorOnly();
    const { PendingProfile } = await import("./profile.js");
    this.#profile ??= new PendingProfile((body) =>
      this.rest.call("PUT", "/api/chat/profile", { body }),
    );
    return this.#profile.set(profile, this.conversationId !== undefined);
  }

  async closeConversation() {
    this.#visitorOnly();
    const answer = await this.rest.call("POST", "/api/chat/close", { body: {} });
    this.status = /** @type {{status?: VisitorStatus}} */ (answer).status ?? "closed";
  }

  /**
   * @param {number} score
   * @param {string} [comment]
   */
  async rate(score, comment) {
    this.#visitorOnly();
    const body = { score, ...(comment !== undefined && { comment }) };
    await this.rest.call("POST", "/api/chat/rating", { body });
  }

  // === what the client is told ===

  /** @override */
  entered() {
    if (!(this.identity instanceof VisitorIdentity)) return;
    const { session } = this.identity;
    if (session !== this.#session) {
      this.status = session?.status ?? this.status;
      this.readByTeam = session?.read ?? this.readByTeam;
    }
    this.#session = session;
  }

  /** @override */
  stateChanged() {
    if (this.state === "online") {
      this.#mark.again(this.#markUnsure);
      this.#profile?.flush();
    } else if (this.here !== null) {
      this.#setHere(null);
    }
  }

  /** @override */
  gap() {
    super.gap();
    // The change of the status may be among what was missed.
    if (!(this.identity instanceof VisitorIdentity) || this.status === undefined) return;
    this.identity.refresh(this.rest).then(
      () => this.entered(),
      () => {},
    );
  }

  /** @override @param {StreamItem} item */
  receive(item) {
    if (item.type === "read" && item.by === "agent") this.readByTeam = item.upTo;
    else if (item.type === "change") this.status = item.status === "closed" ? "closed" : "open";
    // Who writes after the end begins anew; the server tells no change for it.
    else if (item.type === "message" && item.sender === "user" && this.status) this.status = "open";
    this.#markUnsure = false;
    super.receive(item);
  }

  /** @override @param {Receipt} receipt */
  accepted(receipt) {
    super.accepted(receipt);
    if (this.identity instanceof VisitorIdentity) this.identity.proof?.tell(this.rest);
    this.#profile?.flush();
  }

  /** @override @param {Frame} frame */
  heard(frame) {
    if (frame.type === "here") this.#setHere(/** @type {HereState} */ (frame.here ?? null));
    else super.heard(frame);
  }

  /** @param {HereState} here */
  #setHere(here) {
    if (here === this.here) return;
    this.here = here;
    this.emit("here", { here });
  }

  /** @param {string} cursor */
  #tellMark(cursor) {
    if (this.state !== "online") return undefined;
    if (this.signal({ type: "mark", read: cursor })) {
      this.#markUnsure = true;
      return Promise.resolve();
    }
    return this.rest.call("PUT", "/api/chat/mark", { body: { read: cursor } });
  }

  #visitorOnly() {
    if (this.identity.agent) throw new TypeError("This is for visitors; agents have ParlorAgent.");
  }
}
