/** @file Who this client is to the server: a visitor or an agent, and how that is shown. */

/** @import {Rest, Session} from "./rest.js" */
/** @import {ServerClock} from "./clock.js" */
/** @import {ParlorOptions} from "./parlor.js" */

import { ParlorError } from "./errors.js";

/**
 * @typedef {object} Entry what is needed to open a socket
 * @property {URL} url
 * @property {string | undefined} token what the hello carries; tokens never travel in a URL
 */

/**
 * @typedef {object} Identity
 * @property {boolean} agent
 * @property {RequestCredentials} credentials whether cookies go along
 * @property {string | undefined} bearer what `Authorization` carries
 * @property {string} scope under what name drafts are kept; only after `enter`
 * @property {(rest: Rest, clock: ServerClock) => Promise<Entry>} enter before every socket
 * @property {() => void} doubt the last socket never got as far as a hello: ask the server before
 *   the next
 * @property {(refusal: ParlorError, rest: Rest) => Promise<boolean>} renew after a 401: whether to
 *   try again
 */

/**
 * A visitor: anonymous, known by a cookie that scripts cannot see, or by a token that lies in this
 * storage. Both are the browser's own, and so are the drafts beside them. Of
 * one who is proven nothing is kept: the browser's next user is another.
 *
 * @implements {Identity}
 */
export class VisitorIdentity {
  agent = false;
  /** @type {Session | undefined} */
  session;

  #doubted = true;
  #base;
  #tenantId;
  #byToken;
  #publishableKey;
  #storage;
  #tokenKey;
  #identify;
  /** @type {string | undefined} */
  #token;
  /** @type {import("./proof.js").Proof | undefined} */
  proof;

  /**
   * @param {URL} base
   * @param {string} tenantId
   * @param {Partial<ParlorOptions> & {storage?: Storage | undefined}} options
   */
  constructor(base, tenantId, options) {
    const { credential, publishableKey, identity = "visitor", identify, storage } = options;
    this.#base = base;
    this.#tenantId = tenantId;
    this.#identify = identify;
    this.#byToken = credential === "token" || !!identify;
    this.#publishableKey = publishableKey;
    this.#storage = storage;
    this.scope = identity;
    this.#tokenKey =
      "parlor:token:" + [base.href, tenantId, identity].map(encodeURIComponent).join("/");
    this.#token = this.#byToken ? (storage?.getItem(this.#tokenKey) ?? undefined) : undefined;
  }

  /** @returns {RequestCredentials} */
  get credentials() {
    return this.#byToken ? "omit" : "include";
  }

  get bearer() {
    return this.#token ?? this.#publishableKey;
  }

  /**
   * @param {Rest} rest
   * @param {ServerClock} clock
   * @returns {Promise<Entry>}
   */
  async enter(rest, clock) {
    // A proof ends.
    if (this.#doubted || this.proof) clock.hear((await this.refresh(rest)).serverTime);
    return {
      url: socketUrl(this.#base, this.session?.socketUrl ?? "ws/chat", this.#tenantId),
      token: this.#token,
    };
  }

  doubt() {
    this.#doubted = true;
  }

  /**
   * Asks the server again.
   *
   * @param {Rest} rest
   */
  async refresh(rest) {
    if (this.#identify) {
      const { Proof } = await import("./proof.js");
      this.proof ??= new Proof(this.#identify);
      this.session = await this.proof.open(rest, this.#token, this.#publishableKey);
      this.#token = this.session.token;
      this.#storage?.removeItem(this.#tokenKey);
    } else {
      this.session = await (this.#byToken ? this.#openByToken(rest) : rest.session());
    }
    this.#doubted = false;
    return this.session;
  }

  /**
   * The token is all that makes this visitor the same one tomorrow, so that one refusal does not
   * end it: the session decides.
   *
   * @param {ParlorError} refusal
   * @param {Rest} rest
   */
  async renew(refusal, rest) {
    if (this.#token === undefined || !saysUnverified(refusal)) return false;
    await this.refresh(rest);
    return true;
  }

  /**
   * The session of the token that is kept. If it does not verify, its secret is gone and it is
   * worth nothing; it is replaced by a new visitor's, and not before there is one.
   *
   * @param {Rest} rest
   */
  async #openByToken(rest) {
    // Another tab may have stored a new token meanwhile.
    this.#token = this.#storage?.getItem(this.#tokenKey) ?? this.#token;
    const session = await rest
      .session({ bearer: this.bearer })
      .catch((/** @type {ParlorError} */ refusal) => {
        if (this.#token === undefined || !saysUnverified(refusal)) throw refusal;
        return rest.session({ bearer: this.#publishableKey });
      });
    if (session.token !== undefined) this.#keep(session.token);
    return session;
  }

  /** @param {string} token */
  #keep(token) {
    this.#token = token;
    try {
      this.#storage?.setItem(this.#tokenKey, token);
    } catch {
      // The storage is full or forbidden: the visitor is forgotten when the page is closed.
    }
  }
}

/**
 * An agent: known by a JWT, which ends sooner than a working day.
 *
 * @implements {Identity}
 */
export class AgentIdentity {
  agent = true;
  /** @type {RequestCredentials} */
  credentials = "omit";
  /** @type {string | undefined} */
  bearer;

  #base;
  #tenantId;
  #fetchToken;
  #identity;

  /**
   * @param {URL} base
   * @param {string} tenantId
   * @param {string | (() => string | Promise<string>)} token
   * @param {string} [identity]
   */
  constructor(base, tenantId, token, identity) {
    this.#base = base;
    this.#tenantId = tenantId;
    this.#fetchToken = typeof token === "function" ? token : undefined;
    this.bearer = typeof token === "string" ? token : undefined;
    this.#identity = identity;
  }

  get scope() {
    return `agent:${this.#identity ?? subject(this.bearer)}`;
  }

  /** @returns {Promise<Entry>} */
  async enter() {
    await this.renew();
    return { url: socketUrl(this.#base, "ws/agent", this.#tenantId), token: this.bearer };
  }

  doubt() {}

  async renew() {
    if (!this.#fetchToken) return false;
    try {
      this.bearer = await this.#fetchToken();
    } catch (thrown) {
      throw ParlorError.wrap(thrown);
    }
    return true;
  }
}

/**
 * Whether it is the server that refuses the credential: a proxy in between answers 401 for reasons
 * of its own.
 *
 * @param {ParlorError} refusal
 */
function saysUnverified({ status, code }) {
  return status === 401 && code === "unauthorized";
}

/**
 * @param {URL} base
 * @param {string} address absolute, or relative to the base
 * @param {string} tenantId
 */
function socketUrl(base, address, tenantId) {
  const url = new URL(address, base);
  url.protocol = url.protocol.replace("http", "ws");
  url.searchParams.set("tenantId", tenantId);
  return url;
}

/**
 * The subject of a JWT. It is not verified here: it only becomes part of a storage key.
 *
 * @param {string | undefined} jwt
 */
function subject(jwt) {
  try {
    const payload = (jwt ?? "").split(".")[1] ?? "";
    const bytes = Uint8Array.from(atob(payload.replaceAll("-", "+").replaceAll("_", "/")), (c) =>
      c.charCodeAt(0),
    );
    return String(JSON.parse(new TextDecoder().decode(bytes)).sub);
  } catch {
    return "unknown";
  }
}
