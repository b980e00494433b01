/** @file The proof of who a visitor is: a JWT of the site's server. Loaded where there is one. */

/** @import {Rest, Session} from "./rest.js" */

import { ParlorError } from "./errors.js";

/** What one client is proven by. */
export class Proof {
  #identify;
  /** The JWT of the session, until what it says of the visitor is told. */
  #unsaid = /** @type {string | undefined} */ (undefined);

  /** @param {() => string | Promise<string>} identify */
  constructor(identify) {
    this.#identify = identify;
  }

  /**
   * The session of whom a new JWT proves.
   *
   * @param {Rest} rest
   * @param {string | undefined} token what was had so far, whose conversation becomes this
   *   visitor's, where it verifies
   * @param {string | undefined} publishableKey
   * @returns {Promise<Session>}
   */
  async open(rest, token, publishableKey) {
    /** @type {string} */
    let identity;
    try {
      identity = await this.#identify();
    } catch (thrown) {
      throw ParlorError.wrap(thrown);
    }
    const session = await rest.session({ bearer: token ?? publishableKey, identity }).catch(
      (/** @type {ParlorError} */ refusal) => {
        if (token === undefined || refusal.status !== 401) throw refusal;
        return rest.session({ bearer: publishableKey, identity });
      },
    );
    this.#unsaid = identity;
    return session;
  }

  /**
   * Tells what the JWT says of the visitor, once there is a conversation to note it in.
   *
   * @param {Rest} rest
   */
  async tell(rest) {
    const identity = this.#unsaid;
    if (identity === undefined) return;
    this.#unsaid = undefined;
    try {
      await rest.call("PUT", "/api/chat/profile", { body: { identity } });
    } catch (thrown) {
      if (ParlorError.wrap(thrown).retryable) this.#unsaid ??= identity;
    }
  }
}
