/** @file A real Chromium, and pages of it that are watched. */

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { chromium } from "playwright-core";

/** @import {Browser, BrowserContext, Page} from "playwright-core" */

/** These flags keep the browser from doing things of its own. None allows a page anything more. */
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** What no page may ever do, whatever a test is about. @type {string[]} */
const complaints = [];

/** @param {string[]} [more] further flags @returns {Promise<Browser>} */
export function launch(more = []) {
  return chromium.launch({ executablePath: program(), headless: true, args: [...FLAGS, ...more] });
}

/**
 * A browser whose user has turned cookies off, with one profile, which is gone when it is closed.
 *
 * @param {string} folder an empty one, for the profile
 * @returns {Promise<BrowserContext>}
 */
export async function launchWithoutCookies(folder) {
  const profile = join(folder, "Default");
  await mkdir(profile, { recursive: true });
  const blocked = { profile: { default_content_setting_values: { cookies: 2 } } };
  await writeFile(join(profile, "Preferences"), JSON.stringify(blocked));
  const options = { executablePath: program(), headless: true, args: FLAGS };
  return chromium.launchPersistentContext(folder, options);
}

/**
 * Opens a page and watches it for crashes of its scripts, dialogs, and breaches of the
 * Content-Security-Policy.
 *
 * @param {BrowserContext} context
 * @param {string} url
 * @param {(page: Page) => Promise<unknown>} [prepare] before anything is loaded
 */
export async function visit(context, url, prepare) {
  const page = await context.newPage();
  page.on("pageerror", (error) => complaints.push(`a script crashed: ${error.stack ?? error}`));
  page.on("dialog", (dialog) => {
    complaints.push(`a dialog opened: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("console", (message) => {
    if (/Content.Security.Policy/i.test(message.text())) complaints.push(message.text());
  });
  await prepare?.(page);
  await page.goto(url);
  return page;
}

/** Fails the test that has just run if one of its pages did what no page may. */
export function noComplaints() {
  assert.deepEqual(complaints.splice(0), []);
}

function program() {
  return onPath(process.env.CHROMIUM ?? "chromium");
}

/** @param {string} program */
function onPath(program) {
  if (program.includes("/")) return program;
  const found = (process.env.PATH ?? "")
    .split(":")
    .map((folder) => `${folder}/${program}`)
    .find(existsSync);
  if (!found) throw new Error(`there is no '${program}' on the PATH; CHROMIUM may name one`);
  return found;
}
