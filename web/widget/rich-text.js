/** @file A message's text, in which addresses of the web can be followed. Nothing becomes markup. */

/** What may be an address; whether it is one, the URL parser says. */
const MAYBE = /https?:\/\/[^\s<>"'`{}|\\^]+/giu;
/** What ends a sentence and not an address. */
const AFTER = /[.,;:!?…)\]}'"»”’]+$/u;

/**
 * @param {string} text
 * @returns {(string | HTMLAnchorElement)[]} what to append
 */
export function richText(text) {
  /** @type {(string | HTMLAnchorElement)[]} */
  const parts = [];
  let from = 0;
  for (const { 0: found, index } of text.matchAll(MAYBE)) {
    const address = trimmed(found);
    const link = linkTo(address);
    if (!link) continue;
    parts.push(text.slice(from, index), link);
    from = index + address.length;
  }
  parts.push(text.slice(from));
  return parts.filter((part) => part !== "");
}

/** Without the sentence's end; a closing bracket stays where the address opened it.
 * @param {string} found
 */
function trimmed(found) {
  const without = found.replace(AFTER, "");
  return without.includes("(") && found[without.length] === ")" ? `${without})` : without;
}

/** @param {string} address */
function linkTo(address) {
  const url = URL.parse ? URL.parse(address) : parsed(address);
  if (!url || !["http:", "https:"].includes(url.protocol) || url.username || url.password) {
    return undefined;
  }
  const link = document.createElement("a");
  link.href = url.href;
  link.target = "_blank";
  link.rel = "noopener noreferrer nofollow";
  link.textContent = address;
  return link;
}

/** @param {string} address */
function parsed(address) {
  try {
    return new URL(address);
  } catch {
    return null;
  }
}
