/**
 * @file The all-in-one under test: one of our own, which can be stopped and killed, or one that
 *   runs already.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { until } from "./until.mjs";

/** How much of the log is shown when it does not start. */
const LOG_CHARS = 4000;

/**
 * `PARLOR_BIN` names the binary to start; without it, `PARLOR_URL` names a server that runs in
 * development mode, and `PARLOR_CONTROL` a command that stops, kills and starts it: it is called
 * with that word, and then with `ingress`.
 */
export class Server {
  /** @type {import("node:child_process").ChildProcess | undefined} */
  #process;
  #log = "";
  #data = "";
  #port = 0;
  #admin = 0;
  /** @type {Record<string, string>} */
  #settings = {};

  /**
   * The base of every address, without a slash at its end. `localhost`, where `Secure` cookies work
   * without TLS.
   */
  url = process.env.PARLOR_URL?.replace(/\/$/, "") ?? "";

  /** Whether it is our own. */
  static owned = process.env.PARLOR_BIN !== undefined;

  /** The command that controls somebody else's. */
  static control = Server.owned ? undefined : process.env.PARLOR_CONTROL;

  /** Whether it can be stopped and started. */
  static restarts = Server.owned || Server.control !== undefined;

  /**
   * @param {Record<string, string>} [settings] of our own one, as its environment spells them
   */
  static async begin(settings = {}) {
    const server = new Server();
    server.#settings = settings;
    if (Server.owned) {
      server.#data = await mkdtemp(join(tmpdir(), "parlor-page-tests-"));
      [server.#port, server.#admin] = [await freePort(), await freePort()];
      server.url = `http://localhost:${server.#port}`;
      try {
        await server.start();
      } catch (thrown) {
        await server.end();
        throw thrown;
      }
    } else if (!server.url) {
      throw new Error(
        "set PARLOR_BIN to the parlor binary, or PARLOR_URL to a server in development mode",
      );
    }
    return server;
  }

  /** Starts it (again, on the same data and ports) and waits until it is ready. */
  async start() {
    if (Server.control) return this.#ask("start");
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("PARLOR_"));
    const settings = {
      ...this.#settings,
      PARLOR_DATA: this.#data,
      PARLOR_LISTEN: `127.0.0.1:${this.#port}`,
      PARLOR_ADMIN: `127.0.0.1:${this.#admin}`,
    };
    const child = spawn(process.env.PARLOR_BIN ?? "", [], {
      env: { ...Object.fromEntries(inherited), ...settings },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#process = child;
    const keep = (/** @type {Buffer} */ chunk) =>
      (this.#log = (this.#log + chunk).slice(-LOG_CHARS));
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    child.on("error", (error) => (this.#log += `\n${error}`));
    // An exit ends the wait as well: nothing else would come.
    const over = () => child.exitCode !== null || child.signalCode !== null;
    const ready = async () => (await fetch(`http://127.0.0.1:${this.#admin}/ready`)).status === 200;
    try {
      await until("ready", async () => over() || (await ready()));
      if (over()) throw new Error(`it exited (${child.exitCode ?? child.signalCode})`);
    } catch (thrown) {
      throw new Error(`the server did not start: ${thrown}\n${this.#log}`);
    }
  }

  /**
   * Stops it and waits until it is gone.
   *
   * @param {"SIGTERM" | "SIGKILL"} [signal]
   */
  async stop(signal = "SIGTERM") {
    if (Server.control) return this.#ask(signal === "SIGKILL" ? "kill" : "stop");
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill(signal);
    const late = setTimeout(() => child.kill("SIGKILL"), 30_000);
    const [code, killedBy] = await gone;
    clearTimeout(late);
    if (signal === "SIGTERM" && code !== 0) {
      throw new Error(`the server did not stop cleanly (${code ?? killedBy})\n${this.#log}`);
    }
  }

  /** @param {"start" | "stop" | "kill"} verb */
  async #ask(verb) {
    const child = spawn(Server.control ?? "", [verb, "ingress"], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    const [code] = await once(child, "exit");
    if (code !== 0) throw new Error(`${Server.control} ${verb} ingress failed (${code})`);
  }

  /**
   * What it says of itself, for a test that failed: the end of its log, and of its metrics those
   * that are not 0 and tell how far the log and the store have got.
   */
  async says() {
    if (!Server.owned) return "";
    const told = /^parlor_(consumer|persister|store|monitor|log|dead)\S* (?!0$)/;
    const metrics = await fetch(`http://127.0.0.1:${this.#admin}/metrics`)
      .then((response) => response.text())
      .catch(String);
    const lines = metrics.split("\n").filter((line) => told.test(line) && !line.includes("_bucket"));
    return `the server's log ends so:\n${this.#log}\nits metrics:\n${lines.join("\n")}`;
  }

  /** Stops it for good. */
  async end() {
    if (!Server.owned) return;
    await this.stop("SIGKILL");
    await rm(this.#data, { recursive: true, force: true });
  }
}

/** The ports of servers, below those that Linux gives to connections. @type {[number, number]} */
const PORTS = [25_000, 26_000];
let next = Math.floor(Math.random() * (PORTS[1] - PORTS[0]));

/** A port that nobody listens on, and that is not given again soon. @returns {Promise<number>} */
export async function freePort() {
  const port = PORTS[0] + (next++ % (PORTS[1] - PORTS[0]));
  const probe = createServer();
  const free = await new Promise((resolve) => {
    probe.once("error", () => resolve(false)).listen(port, "127.0.0.1", () => resolve(true));
  });
  if (!free) return freePort();
  probe.close();
  await once(probe, "close");
  return port;
}
