/** @file What an agent's token says of the agent. The server verifies it; here it is only shown. */

/** @import {Me} from "./types.js" */

/**
 * @param {string} token
 * @returns {Me & {endsAt: number | undefined} | undefined} nothing for what is no token
 */
export function readToken(token) {
  try {
    const payload = token.split(".")[1] ?? "";
    const bytes = Uint8Array.from(atob(payload.replaceAll("-", "+").replaceAll("_", "/")), (c) =>
      c.charCodeAt(0),
    );
    const { sub, name, exp } = JSON.parse(new TextDecoder().decode(bytes));
    if (typeof sub !== "string" || sub === "") return undefined;
    return {
      id: sub,
      name: typeof name === "string" && name !== "" ? name : sub,
      endsAt: typeof exp === "number" ? exp * 1000 : undefined,
    };
  } catch {
    return undefined;
  }
}
