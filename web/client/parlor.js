/**
 * @file Parlor's client for browsers: an ES module without dependencies, for visitors; what
 *   agents need beside messages is in `agent.js`.
 *
 * ```js
 * import { ParlorClient } from "https://chat.example/client/parlor.js";
 *
 * const visitor = new ParlorClient({ baseUrl: "https://chat.example", tenantId: "demo" });
 * visitor.addEventListener("message", ({ detail }) => show(detail.message));
 * visitor.connect();
 * visitor.send("Hello");
 * ```
 *
 * The types are in `parlor.d.ts`; with the assignments below the compiler checks the code against
 * them.
 */

import { ParlorError as Failure } from "./errors.js";
import { VisitorClient } from "./visitor-client.js";

/** @import {ParlorClient as Declared, ParlorOptions} from "./parlor.js" */

/** All but the typed events, which no class in JSDoc can declare.
 * @type {new (options: ParlorOptions) =>
 * Omit<Declared, "addEventListener">} */
const checked = VisitorClient;

export const ParlorClient = /** @type {typeof import("./parlor.js").ParlorClient} */ (checked);

/** @type {typeof import("./parlor.js").ParlorError} */
export const ParlorError = Failure;
