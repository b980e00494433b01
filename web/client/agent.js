/**
 * @file Parlor's client for agents: all of `parlor.js`, and what a dashboard needs beside messages.
 *
 * ```js
 * import { ParlorAgent } from "https://chat.example/client/agent.js";
 *
 * const agent = new ParlorAgent({ baseUrl: "https://chat.example", tenantId: "demo", token });
 * agent.addEventListener("note", ({ detail }) => show(detail.note));
 * agent.connect();
 * await agent.update(conversationId, { status: "closed" });
 * ```
 *
 * The types are in `agent.d.ts`.
 */

import { AgentClient } from "./agent-client.js";
import { ParlorError as Failure } from "./errors.js";

/** @import {ParlorAgent as Declared, AgentOptions} from "./agent.js" */

/** All but the typed events, which no class in JSDoc can declare.
 * @type {new (options: AgentOptions) =>
 * Omit<Declared, "addEventListener">} */
const checked = AgentClient;

export const ParlorAgent = /** @type {typeof import("./agent.js").ParlorAgent} */ (checked);

/** @type {typeof import("./parlor.js").ParlorError} */
export const ParlorError = Failure;
