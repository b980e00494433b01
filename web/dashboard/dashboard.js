/** @file The page `/dashboard`: signs in and puts the dashboard into the page. */

import { texts } from "../ui/texts/dashboard.en.js";
import { mount } from "./mount.js";
import { askForToken, developmentToken, PastedToken } from "./sign-in.js";

const query = new URLSearchParams(location.search);
const tenantId = query.get("tenantId")?.trim() || "demo";
const pasted = new PastedToken();

/** The first page shows the dashboard in a frame beside a shop. */
const beside = query.has("beside");

async function getToken() {
  const development = await developmentToken(tenantId, query.get("agent"));
  if (development !== undefined) return development;
  const token = pasted.value ?? (await askForToken());
  pasted.keep(token);
  return token;
}

const root = document.getElementById("dashboard");
if (root) {
  const dashboard = await mount(root, {
    tenantId,
    getToken,
    beside,
    onEnded: async () => {
      pasted.keep(await askForToken(texts.signIn.ended));
      dashboard.connect();
    },
    signOut: pasted.value
      ? () => {
          pasted.keep(undefined);
          location.reload();
        }
      : undefined,
  });
}
