/**
 * @file Parlor's client for visitors; what agents need beside messages is in `agent.js`. Types are
 *   in `parlor.d.ts`, examples in `README.md`. The assignments below check the code against the
 *   types.
 */

import { ParlorError as Failure } from "./errors.js";
import { VisitorClient } from "./visitor-client.js";

/** @import {ParlorClient as Declared, ParlorOptions} from "./parlor.js" */

// All but the typed events, which no class in JSDoc can declare.
/** @type {new (options: ParlorOptions) => Omit<Declared, "addEventListener">} */
const checked = VisitorClient;

export const ParlorClient = /** @type {typeof import("./parlor.js").ParlorClient} */ (checked);

/** @type {typeof import("./parlor.js").ParlorError} */
export const ParlorError = Failure;
