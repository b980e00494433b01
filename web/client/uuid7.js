/** @file Client message ids: UUIDs that carry their time (RFC 9562, version 7), or carry none. */

/**
 * A UUIDv7 stamped with `ms`. Pass the server's time and never the local clock: the server refuses
 * an id from the future, and skips a lookup for a young one.
 *
 * @param {number} ms milliseconds since the Unix epoch
 */
export function uuid7(ms) {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  // 48 bits do not fit a bitwise operation, so the two upper bytes are divided off.
  const view = new DataView(bytes.buffer);
  view.setUint16(0, Math.floor(ms / 2 ** 32));
  view.setUint32(2, Math.floor(ms) % 2 ** 32);
  return format(bytes, 7);
}

/**
 * A random id (version 4) for a draft that is made before the server's time is known. The server
 * looks such an id up like an old one, which is slower and always right; a guess at the time could
 * be refused.
 */
export function timelessId() {
  // Not crypto.randomUUID, which exists in secure contexts only.
  return format(crypto.getRandomValues(new Uint8Array(16)), 4);
}

/**
 * @param {Uint8Array} bytes sixteen of them
 * @param {number} version
 */
function format(bytes, version) {
  const view = new DataView(bytes.buffer);
  view.setUint8(6, (view.getUint8(6) & 0x0f) | (version << 4));
  view.setUint8(8, (view.getUint8(8) & 0x3f) | 0x80);
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join("-");
}
