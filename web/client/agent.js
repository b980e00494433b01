/**
 * @file Parlor's client for agents. Types are in `agent.d.ts`, examples in `README.md`; see
 *   `parlor.js`.
 */

import { AgentClient } from "./agent-client.js";
import { ParlorError as Failure } from "./errors.js";

/** @import {ParlorAgent as Declared, AgentOptions} from "./agent.js" */

/** @type {new (options: AgentOptions) => Omit<Declared, "addEventListener">} */
const checked = AgentClient;

export const ParlorAgent = /** @type {typeof import("./agent.js").ParlorAgent} */ (checked);

/** @type {typeof import("./parlor.js").ParlorError} */
export const ParlorError = Failure;
