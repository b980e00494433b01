/** @file What is asked, and what is done with the answers, where sockets are blocked. */

/** @import {StreamItem} from "./parlor.js" */
/** @import {Rest} from "./rest.js" */
/** @import {Timelines} from "./timelines.js" */

import { ParlorError } from "./errors.js";
import { itemOf } from "./items.js";

/** How much one answer may hold. */
const LIMIT = 100;

/**
 * Makes a question out of what goes on with its answers.
 *
 * @typedef {(rest: Rest, timelines: Timelines, position: {cursor: string | undefined, resume:
 *   (begins: boolean, recovered: boolean) => void}, listener: {item: (item: StreamItem) => void})
 *   => (going: () => boolean) => Promise<boolean>} Asker
 */

/**
 * A visitor asks for messages after the last one. They are not all of the stream, so that its
 * position stays: the next socket goes on from there, brings the changes that were not asked for,
 * and its messages are known by their ids.
 *
 * @type {Asker}
 */
export const askVisitor = (rest, timelines, position, listener) => {
  /** @type {string | undefined} */
  let after;
  /** The stream's position at the time. @type {string | undefined} */
  let base;
  return async (going) => {
    const first = await timelines.start();
    if (!going()) return false;
    position.cursor ??= first;
    // A socket may have led further since the last question.
    if (base !== position.cursor) after = base = position.cursor;
    after = first ?? after;
    const page = await rest.page(undefined, { after, limit: LIMIT }).catch((thrown) => {
      const error = ParlorError.wrap(thrown);
      if (error.code !== "bad_cursor" || !going()) throw error;
      position.cursor = undefined;
      position.resume(false, false);
    });
    if (!page) return true;
    if (page.incomplete) {
      const sentence = "What was said cannot be reached just now.";
      throw new ParlorError(sentence, { code: "incomplete", retryable: true });
    }
    if (!going()) return false;
    for (const item of page.items) listener.item(item);
    after = page.items.at(-1)?.cursor ?? after;
    return page.hasMore && page.items.length > 0;
  };
};

/**
 * An agent asks for the tenant's changes, which are the stream.
 *
 * @type {Asker}
 */
export const askAgent = (rest, timelines, position, listener) => {
  return async (going) => {
    const since = position.cursor;
    const answer = await rest.changes(since, LIMIT);
    if (!going()) return false;
    // What comes after a gap waits for the pages that fill it.
    position.resume(since === undefined, answer.recovered);
    for (const change of answer.changes) {
      const item = itemOf(change);
      if (!item) continue;
      listener.item(item);
      if (item.cursor) position.cursor = item.cursor;
    }
    position.cursor = answer.cursor ?? position.cursor;
    timelines.mend(going);
    return answer.hasMore;
  };
};
