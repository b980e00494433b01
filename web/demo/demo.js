/** @file The page at `/demo/`: a visitor and an agent of one tenant, each with its own client. */

import { ParlorClient, ParlorError } from "../client/parlor.js";
import { AgentPanel } from "./agent-panel.js";
import { find } from "./find.js";
import { VisitorPanel } from "./visitor-panel.js";

/**
 * The agent's token. Only a server in development mode gives one away, to this page; everywhere
 * else an agent's token comes from the tenant's own sign-in.
 *
 * @param {string} tenantId
 */
async function developmentToken(tenantId) {
  const response = await fetch(`/demo/agent-token?tenantId=${encodeURIComponent(tenantId)}`, {
    cache: "no-store",
  });
  if (response.status === 404) {
    const message =
      "This server is not in development mode, so it gives this page no agent’s token.";
    throw new ParlorError(message, { code: "no_development_token", status: 404 });
  }
  if (!response.ok) {
    throw new ParlorError("The server gave no agent’s token.", {
      code: "no_token",
      retryable: response.status >= 500,
    });
  }
  const { token } = /** @type {{token: string}} */ (await response.json());
  return token;
}

const tenantId = new URLSearchParams(location.search).get("tenantId")?.trim() || "demo";

const visitor = new ParlorClient({ tenantId, client: "demo-visitor/0.1" });
new VisitorPanel(find(document, "#visitor"), visitor);
visitor.connect();

const agent = new ParlorClient({
  tenantId,
  client: "demo-agent/0.1",
  token: () => developmentToken(tenantId),
});
new AgentPanel(
  find(document, "#agent"),
  agent,
  (conversationId) => conversationId === visitor.conversationId,
);
agent.connect();
