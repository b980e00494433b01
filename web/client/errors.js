/** @file What went wrong, in the one shape the protocol has for it. */

/** @import {Conversation, ErrorDetail, ParlorError as Declared} from "./parlor.js" */

/**
 * An error the server named, or one the client noticed itself (`network`, `timeout`,
 * `disconnected`, `too_long`, `too_many_drafts`, `expired`, `empty`, `incomplete`). A caller needs
 * only `retryable` in order to decide.
 */
export class ParlorError extends Error {
  /**
   * @param {string} message
   * @param {ConstructorParameters<typeof Declared>[1]} facts
   */
  constructor(message, facts) {
    super(message);
    this.name = "ParlorError";
    this.code = facts.code;
    this.retryable = facts.retryable ?? false;
    this.retryAfterMs = facts.retryAfterMs;
    this.requestId = facts.requestId;
    this.status = facts.status;
    this.details = facts.details ?? [];
    this.conversation = facts.conversation;
  }

  /**
   * Reads the `error` object of a REST body or of an `error` frame. What does not look like one
   * still becomes an error: a balancer in front of the server answers with pages of its own.
   *
   * @param {unknown} body the value of the key `error`
   * @param {number} [status] the HTTP status, if there was one
   * @param {number} [retryAfterMs] what the `Retry-After` header said
   * @param {Conversation} [conversation] what stands beside `error` after a conflict
   */
  static from(body, status, retryAfterMs, conversation) {
    const error = /** @type {Record<string, unknown>} */ (
      typeof body === "object" && body !== null ? body : {}
    );
    const code =
      typeof error.code === "string"
        ? error.code
        : status === undefined
          ? "unknown"
          : `http_${status}`;
    const message =
      typeof error.message === "string"
        ? error.message
        : `The server answered ${status ?? "an error"}.`;
    const byStatus = status !== undefined && (status >= 500 || status === 429 || status === 408);
    return new ParlorError(message, {
      code,
      status,
      retryable: typeof error.retryable === "boolean" ? error.retryable : byStatus,
      retryAfterMs: typeof error.retryAfterMs === "number" ? error.retryAfterMs : retryAfterMs,
      requestId: typeof error.requestId === "string" ? error.requestId : undefined,
      details: Array.isArray(error.details) ? /** @type {ErrorDetail[]} */ (error.details) : [],
      conversation,
    });
  }

  /**
   * Makes a `ParlorError` of whatever was thrown; a failed `fetch` is a network error and worth
   * another try.
   *
   * @param {unknown} thrown
   */
  static wrap(thrown) {
    if (thrown instanceof ParlorError) return thrown;
    const timeout = thrown instanceof DOMException && thrown.name === "TimeoutError";
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return new ParlorError(message, { code: timeout ? "timeout" : "network", retryable: true });
  }
}
