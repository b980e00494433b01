/** @file The agent's side of the page: the inbox, and the chosen conversation. */

/** @import {Draft, ParlorClient, ParlorError, ParlorEventMap} from "../client/parlor.js" */

import { listenToComposer } from "./composer.js";
import { find } from "./find.js";
import { Inbox } from "./inbox.js";
import { MessageLog } from "./message-log.js";
import { showState } from "./state-line.js";

export class AgentPanel {
  #client;
  #notice;
  #desk;
  #conversation;
  #title;
  #log;
  #inbox;
  /** @type {string | undefined} */
  #chosen;

  /**
   * @param {HTMLElement} panel
   * @param {ParlorClient} client not started yet
   * @param {(conversationId: string) => boolean} isHere whether the conversation is that of the
   *   visitor beside
   */
  constructor(panel, client, isHere) {
    this.#client = client;
    this.#notice = find(panel, ".notice");
    this.#desk = find(panel, ".desk");
    this.#conversation = find(panel, ".conversation");
    this.#title = find(this.#conversation, "h3");
    this.#log = new MessageLog(this.#conversation, "agent");
    this.#inbox = new Inbox(panel, (conversationId) => void this.#choose(conversationId), isHere);
    showState(find(panel, ".state"), client);
    listenToComposer(this.#conversation, (text) => this.#send(text));
    client.addEventListener("message", ({ detail }) => this.#note(detail));
    client.addEventListener("accepted", ({ detail }) => this.#log.accepted(detail));
    client.addEventListener(
      "failed",
      ({ detail }) => void this.#failed(detail.draft, detail.error),
    );
    client.addEventListener("gap", () => void this.#loadInbox());
    client.addEventListener("state", ({ detail }) => {
      if (detail.state === "online") void this.#loadInbox();
      if (detail.state === "closed" && detail.error) this.#say(detail.error.message);
    });
  }

  /** The subscription is live before this is asked for, so nothing falls between the two. */
  async #loadInbox() {
    try {
      this.#inbox.load((await this.#client.inbox()).conversations);
      this.#chooseFirst();
    } catch {
      // The stream keeps the list fresh from here on; the next connection asks again.
    }
  }

  /** @param {ParlorEventMap["message"]} detail */
  #note({ message, source }) {
    if (message.conversationId === this.#chosen) this.#log.add(message, source);
    this.#inbox.note(message);
    this.#chooseFirst();
  }

  /** Opens the first conversation by itself. Later ones do not change what the agent has chosen. */
  #chooseFirst() {
    const first = this.#inbox.first;
    if (this.#chosen === undefined && first !== undefined) void this.#choose(first);
  }

  /** @param {string} conversationId */
  async #choose(conversationId) {
    if (conversationId === this.#chosen) return;
    if (this.#chosen !== undefined) this.#client.leave(this.#chosen);
    this.#chosen = conversationId;
    this.#conversation.hidden = false;
    this.#title.textContent = `Conversation with ${this.#inbox.choose(conversationId)}`;
    this.#log.clear(true);
    for (const draft of this.#client.drafts) {
      if (draft.conversationId === conversationId) this.#log.sending(draft);
    }
    try {
      await this.#client.open(conversationId);
    } catch {
      // The client loads the page again with its next connection.
    }
    if (conversationId !== this.#chosen) return;
    this.#log.quiet(false);
    this.#log.offerOlder(
      () => this.#client.hasOlder(conversationId),
      async () => (await this.#client.older(conversationId)).messages,
    );
  }

  /** @param {string} text */
  #send(text) {
    this.#log.sending(this.#client.send(text, { conversationId: this.#chosen }));
  }

  /**
   * @param {Draft} draft
   * @param {ParlorError} error
   */
  async #failed(draft, error) {
    // A text that could not be sent is shown in the conversation in which it was written.
    if (draft.conversationId !== undefined) await this.#choose(draft.conversationId);
    this.#log.failed(draft, error, (text) => this.#send(text));
  }

  /** @param {string} sentence */
  #say(sentence) {
    this.#notice.textContent = sentence;
    this.#notice.hidden = false;
    this.#desk.hidden = true;
  }
}
