/** @file The visitor's side of the page. */

/** @import {ParlorClient} from "../client/parlor.js" */

import { listenToComposer } from "./composer.js";
import { find } from "./find.js";
import { MessageLog } from "./message-log.js";
import { showState } from "./state-line.js";

export class VisitorPanel {
  /**
   * @param {HTMLElement} panel
   * @param {ParlorClient} client not started yet
   */
  constructor(panel, client) {
    const log = new MessageLog(panel, "user");
    const send = (/** @type {string} */ text) => log.sending(client.send(text));
    const offerOlder = () => {
      log.offerOlder(
        () => client.hasOlder(),
        async () => (await client.older()).messages,
      );
    };
    showState(find(panel, ".state"), client);
    listenToComposer(panel, send);
    for (const draft of client.drafts) log.sending(draft);
    log.quiet(true);
    client.addEventListener("message", ({ detail }) => log.add(detail.message, detail.source));
    client.addEventListener("accepted", ({ detail }) => log.accepted(detail));
    client.addEventListener("failed", ({ detail }) => log.failed(detail.draft, detail.error, send));
    client.addEventListener("state", ({ detail }) => {
      if (detail.state !== "online") return;
      log.quiet(false);
      offerOlder();
    });
  }
}
