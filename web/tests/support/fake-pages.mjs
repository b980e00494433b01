/** @file What the fake server gives away besides its answers: files, and tokens that nobody signed. */

import { readFile } from "node:fs/promises";
import { normalize } from "node:path";

/** @typedef {Record<string, any>} Json */

const WEB = new URL("../../", import.meta.url);
export const KINDS = {
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".html": "text/html",
};

/** What the binary sends with the dashboard. */
export const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; " +
  "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'; " +
  "connect-src 'self'; frame-ancestors 'self'";

/** @param {string} path @returns {Promise<[number, Json | Buffer | string]>} */
export async function file(path) {
  const name = path === "/dashboard" ? "dashboard/index.html" : normalize(path).slice(1);
  try {
    return [200, await readFile(new URL(name, WEB))];
  } catch {
    return [404, "there is no such page\n"];
  }
}

/** @param {string} agent */
export function nameOf(agent) {
  return { ann: "Ann Meyer", bob: "Bob Grant" }[agent] ?? agent;
}

/** @param {string} agent */
export function tokenOf(agent) {
  const part = (/** @type {Json} */ json) =>
    Buffer.from(JSON.stringify(json)).toString("base64url");
  return `${part({ alg: "none" })}.${part({ sub: agent, name: nameOf(agent), exp: Math.ceil(Date.now() / 1000) + 3600 })}.fake`;
}

/** @param {string} token */
export function agentOf(token) {
  try {
    return JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString("utf8")).sub;
  } catch {
    return "";
  }
}
