#!/usr/bin/env node
// Measures what an idle socket and an append cost, as they are, on one all-in-one node:
//   node scripts/measure.mjs [sockets] [writers] [seconds]      default 5000 64 20
// It starts target/release/parlor in a folder of its own, and reads its memory and CPU from the process table (Linux). Load goes to loopback
// alone, and ends by itself. The figures of docs/PERFORMANCE.md come from here.
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const [sockets = 5000, writers = 64, seconds = 20] = process.argv.slice(2).map(Number);
const binary = fileURLToPath(new URL("../target/release/parlor", import.meta.url));
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** A port of loopback that is free now. */
async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Opens a socket of the widget, or of protocol 1; `text` is called with each text frame. */
function open(port, protocol, text) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    let rest = Buffer.alloc(0);
    let upgraded = false;
    const head = [
      "GET /ws/chat?tenantId=demo HTTP/1.1", "Host: localhost", "Origin: http://localhost:3000", "Upgrade: websocket",
      "Connection: Upgrade", "Sec-WebSocket-Version: 13", `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}`,
      ...(protocol ? [`Sec-WebSocket-Protocol: ${protocol}`] : []),
    ];
    socket.setNoDelay(true);
    socket.once("error", reject);
    socket.write(`${head.join("\r\n")}\r\n\r\n`);
    socket.on("data", (data) => {
      rest = Buffer.concat([rest, data]);
      if (!upgraded) {
        const end = rest.indexOf("\r\n\r\n");
        if (end < 0) return;
        if (!rest.toString("latin1", 0, 12).endsWith("101")) return reject(new Error(rest.toString("latin1", 0, end)));
        upgraded = true;
        rest = rest.subarray(end + 4);
        resolve({ send: (frame) => socket.write(masked(1, Buffer.from(frame))), end: () => socket.destroy() });
      }
      for (;;) {
        if (rest.length < 2) return;
        const short = rest[1] & 127;
        const header = short === 126 ? 4 : short === 127 ? 10 : 2;
        if (rest.length < header) return;
        const length = short === 126 ? rest.readUInt16BE(2) : short === 127 ? Number(rest.readBigUInt64BE(2)) : short;
        if (rest.length < header + length) return;
        const payload = rest.subarray(header, header + length);
        const opcode = rest[0] & 15;
        rest = rest.subarray(header + length);
        if (opcode === 9) socket.write(masked(10, payload));
        if (opcode === 1) text?.(payload.toString());
      }
    });
  });
}

function masked(opcode, payload) {
  const header = payload.length < 126 ? Buffer.from([128 | opcode, 128 | payload.length])
    : Buffer.from([128 | opcode, 254, payload.length >> 8, payload.length & 255]);
  return Buffer.concat([header, Buffer.alloc(4), payload]);
}

/** Resident memory in bytes and CPU in seconds of the node; the process table counts in hundredths of a second. */
async function figures() {
  const [stat, pages] = await Promise.all(["stat", "statm"].map((name) => readFile(`/proc/${parlor.pid}/${name}`, "latin1")));
  const [user, system] = stat.slice(stat.lastIndexOf(")") + 2).split(" ").slice(11, 13).map(Number);
  return { memory: Number(pages.split(" ")[1]) * 4096, cpu: (user + system) / 100, at: performance.now() };
}

/** Idle: the sockets are open, their first ping is answered, and nothing is said. */
async function idle(port) {
  const before = await figures();
  const open_ = [];
  while (open_.length < sockets) open_.push(...(await Promise.all(Array.from({ length: 100 }, () => open(port)))));
  await pause(3000);
  const start = await figures();
  await pause(seconds * 1000);
  const end = await figures();
  const share = (end.cpu - start.cpu) / ((end.at - start.at) / 1000) / open_.length;
  console.log(`idle: ${open_.length} sockets of the widget, ${seconds} s`);
  console.log(`  memory of a socket   ${((start.memory - before.memory) / open_.length / 1024).toFixed(2)} KiB of the process`);
  console.log(`  CPU of a socket      ${(share * 1e6).toFixed(2)} us/s (a ping every 25 s included)`);
  for (const socket of open_) socket.end();
  await pause(2000);
}

/** Appends: each writer has a conversation of its own and sends the next draft when the last one is accepted. */
async function appends(port) {
  const latencies = [];
  let running = true;
  const one = async () => {
    let accepted;
    let sent = 0;
    const socket = await open(port, "parlor.1", (frame) => {
      const { type, error } = JSON.parse(frame);
      if (type === "error") throw new Error(JSON.stringify(error));
      if (type === "accepted") accepted?.();
      if (type === "hello") accepted?.();
    });
    const answer = () => new Promise((resolve) => (accepted = resolve));
    socket.send(JSON.stringify({ type: "hello", protocol: 1 }));
    await answer();
    for (; running; sent++) {
      const begun = performance.now();
      socket.send(JSON.stringify({ type: "message", text: "x".repeat(256) }));
      await answer();
      latencies.push(performance.now() - begun);
      await pause(Math.max(0, 60 - (performance.now() - begun)));
    }
    socket.end();
  };
  const start = await figures();
  const all = Promise.all(Array.from({ length: writers }, one));
  await pause(seconds * 1000);
  running = false;
  await all;
  const end = await figures();
  latencies.sort((a, b) => a - b);
  const at = (part) => latencies[Math.floor(latencies.length * part)].toFixed(2);
  const span = (end.at - start.at) / 1000;
  console.log(`appends: ${writers} writers of protocol 1, 256 bytes, ${seconds} s, each fsynced, stored and read back by the hub`);
  console.log(`  rate                 ${(latencies.length / span).toFixed(0)}/s`);
  console.log(`  draft to accepted    p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`);
  console.log(`  CPU of an append     ${(((end.cpu - start.cpu) / latencies.length) * 1e6).toFixed(0)} us of the process, its storing and delivery included`);
}

const folder = await mkdtemp(join(tmpdir(), "parlor-measure-"));
const [port, admin] = [await freePort(), await freePort()];
const fast = "{per_second=1000000,burst=1000000}";
const parlor = spawn(binary, [], {
  cwd: folder,
  stdio: ["ignore", "ignore", "inherit"],
  env: {
    PARLOR_LISTEN: `127.0.0.1:${port}`, PARLOR_ADMIN: `127.0.0.1:${admin}`, PARLOR_TELEMETRY__FILTER: "warn",
    PARLOR_LIMITS__ADDRESS_UPGRADES: fast, PARLOR_LIMITS__TENANT_MESSAGES: fast, PARLOR_LIMITS__VISITOR_MESSAGES: fast,
    PARLOR_LIMITS__TENANT_BYTES: fast, PARLOR_LIMITS__VISITOR_BYTES: fast,
    PARLOR_HTTP__MAX_CONNECTIONS_PER_ADDRESS: "100000",
  },
});
try {
  while (!(await fetch(`http://127.0.0.1:${admin}/ready`).then((answer) => answer.ok, () => false))) await pause(50);
  await idle(port);
  await appends(port);
} finally {
  parlor.kill();
  await new Promise((resolve) => parlor.once("exit", resolve));
  await rm(folder, { recursive: true });
}
