/** @file The server's side of WebSockets, as far as a fake server needs it: text frames, small. */

import { createHash } from "node:crypto";

/** @import {IncomingMessage} from "node:http" @import {Duplex} from "node:stream" */

const MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** One socket that was accepted. */
export class FakeSocket {
  #stream;
  #bytes = Buffer.alloc(0);
  /** @type {(text: string) => void} */
  onText = () => {};
  onEnd = () => {};

  /** @param {IncomingMessage} request @param {Duplex} stream @param {string} protocol */
  constructor(request, stream, protocol) {
    this.#stream = stream;
    const accept = createHash("sha1")
      .update(request.headers["sec-websocket-key"] + MAGIC)
      .digest("base64");
    stream.write(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
        `Sec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: ${protocol}\r\n\r\n`,
    );
    stream.on("data", (chunk) => this.#read(chunk));
    stream.on("close", () => this.onEnd());
    stream.on("error", () => stream.destroy());
  }

  /** @param {object} frame */
  send(frame) {
    const payload = Buffer.from(JSON.stringify(frame));
    const head =
      payload.length < 126
        ? Buffer.from([0x81, payload.length])
        : Buffer.from([0x81, 126, payload.length >> 8, payload.length & 255]);
    if (!this.#stream.destroyed) this.#stream.write(Buffer.concat([head, payload]));
  }

  /** @param {number} code */
  close(code) {
    this.#stream.end(Buffer.from([0x88, 2, code >> 8, code & 255]));
  }

  end() {
    this.#stream.destroy();
  }

  /** @param {Buffer} chunk */
  #read(chunk) {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    for (;;) {
      const bytes = this.#bytes;
      if (bytes.length < 2) return;
      const short = (bytes[1] ?? 0) & 127;
      const at = short === 126 ? 4 : 2;
      if (short === 127) return this.end();
      const length = short === 126 ? (bytes.length < 4 ? Infinity : bytes.readUInt16BE(2)) : short;
      if (bytes.length < at + 4 + length) return;
      const mask = bytes.subarray(at, at + 4);
      const payload = Buffer.from(bytes.subarray(at + 4, at + 4 + length));
      for (let i = 0; i < payload.length; i += 1)
        payload[i] = (payload[i] ?? 0) ^ (mask[i % 4] ?? 0);
      this.#bytes = bytes.subarray(at + 4 + length);
      const opcode = (bytes[0] ?? 0) & 15;
      if (opcode === 8) return this.end();
      if (opcode === 1) this.onText(payload.toString("utf8"));
    }
  }
}
