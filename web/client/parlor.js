/**
 * @file Parlor's client for browsers: an ES module without dependencies, for visitors and agents.
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

import { Client } from "./client.js";
import { ParlorError as Failure } from "./errors.js";

/** @import {ParlorClient as Declared, ParlorOptions} from "./parlor.js" */

/** All but the typed events, which no class in JSDoc can declare.
 * @type {new (options: ParlorOptions) =>
 * Omit<Declared, "addEventListener">} */
const checked = Client;

export const ParlorClient = /** @type {typeof import("./parlor.js").ParlorClient} */ (checked);

/** @type {typeof import("./parlor.js").ParlorError} */
export const ParlorError = Failure;
