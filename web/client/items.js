/** @file What the server's frames carry, as one flat thing each: an item. */

/** @import {StreamItem} from "./parlor.js" */

/** The types of frames that carry their content under a key of the type's own name. */
const NAMED = new Set(["message", "note", "change", "read", "profile", "rating", "desk"]);

/** The types that a conversation's timeline holds; what else has a cursor is told and not kept. */
const KEPT = new Set([undefined, "message", "note", "change", "rating", "linked"]);

/**
 * The item that a frame of the stream, of a timeline or of the agents' changes carries; nothing for
 * a frame of another type, which belongs to a later version of the protocol.
 *
 * @param {unknown} value
 * @returns {StreamItem | undefined}
 */
export function itemOf(value) {
  const frame = /** @type {Record<string, any> | null | undefined} */ (value);
  const type = frame?.type;
  if (!frame || typeof type !== "string") return undefined;
  if (type === "linked") {
    // It has no id. The same again says the same.
    const ids = Array.isArray(frame.conversationIds) ? frame.conversationIds : [];
    return { ...frame, type, id: ["linked", ...ids].join(":"), conversationIds: ids };
  }
  const content = NAMED.has(type) ? frame[type] : undefined;
  if (typeof content !== "object" || content === null) return undefined;
  const conversationId = frame.conversationId ?? content.conversationId;
  return /** @type {StreamItem} */ ({ ...content, type, conversationId });
}

/** @param {{type?: string}} item */
export function isKept({ type }) {
  return KEPT.has(type);
}

/**
 * @param {StreamItem} item
 * @returns {item is import("./parlor.js").Message}
 */
export function isMessage(item) {
  return item.type === undefined || item.type === "message";
}
