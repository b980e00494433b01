/** @file What the widget's tests share: a server, a browser, the widget's host, visitors. */

import { setTimeout as pause } from "node:timers/promises";

import { launch } from "./browser.mjs";
import { Agent, newTenant } from "./agent.mjs";
import { Server } from "./server.mjs";
import { WidgetHost } from "./widget.mjs";

/** @import {Browser, BrowserContext} from "playwright-core" */
/** @import {Where} from "./widget.mjs" */

/** Why a test that stops the server is left out, where it cannot be stopped. */
export const restarts = Server.restarts
  ? {}
  : { skip: "needs PARLOR_BIN or PARLOR_CONTROL: this server cannot be stopped" };

/**
 * One visitor (a browser profile) at one tenant that no other test has, and its agent.
 *
 * @typedef {{context: BrowserContext, tenantId: string, agent: Agent,
 *   open: (where?: Partial<Where>) => ReturnType<WidgetHost["open"]>}} Visitor
 */

const NOTED_MS = 2500;

export class Stage {
  /** @param {Server} server @param {Browser} browser @param {WidgetHost} host */
  constructor(server, browser, host) {
    this.server = server;
    this.browser = browser;
    this.host = host;
  }

  /** @param {Record<string, string>} [settings] of the server */
  static async begin(settings) {
    return new Stage(await Server.begin(settings), await launch(), await WidgetHost.begin());
  }

  /**
   * Waits until what the widgets were shown by now is noted in the log: within two seconds of their
   * pongs (docs/CONTRACT.md). Of what is not, a killed server knows nothing, and shows it again.
   */
  async noted() {
    await pause(NOTED_MS);
  }

  async end() {
    await this.browser.close();
    await this.host.end();
    await this.server.end();
  }

  /**
   * @param {(visitor: Visitor) => Promise<void>} body
   * @param {{tenantId?: string, context?: BrowserContext, server?: {url: string}}} [options] where
   *   the widget finds the server, if not where it is
   */
  async withVisitor(body, { tenantId = newTenant(), context, server = this.server } = {}) {
    const profile = context ?? (await this.browser.newContext());
    const agent = new Agent(this.server, tenantId);
    const open = (/** @type {Partial<Where>} */ where = {}) =>
      this.host.open(profile, server, { tenantId, ...where });
    try {
      await body({ context: profile, tenantId, agent, open });
    } catch (thrown) {
      console.error(await this.server.says());
      throw thrown;
    } finally {
      await profile.close();
    }
  }
}
