/** @file The language of the chat. */

/** @typedef {typeof import("./texts/en.js").default} Texts */

/** There is a file of each in `texts/`. */
export const LOCALES = ["en", "de", "fr", "es", "it", "pt", "nl", "pl", "tr", "ja", "zh", "ar"];

/** Those that are written from right to left. */
const RIGHT_TO_LEFT = ["ar"];

/**
 * @typedef {object} Language
 * @property {Texts} texts
 * @property {string} locale for dates and times: the wanted one, with its region
 * @property {"ltr" | "rtl"} direction
 */

/**
 * The language that is closest to the wanted one, and English where none is.
 *
 * @param {string} wanted such as `de-AT`
 * @returns {Promise<Language>}
 */
export async function languageOf(wanted) {
  const base = wanted.toLowerCase().split(/[-_]/)[0] ?? "";
  const known = LOCALES.includes(base);
  const name = known ? base : "en";
  const { default: texts } = /** @type {{default: Texts}} */ (await import(`./texts/${name}.js`));
  return {
    texts,
    locale: known && isLocale(wanted) ? wanted : name,
    direction: RIGHT_TO_LEFT.includes(name) ? "rtl" : "ltr",
  };
}

/**
 * A text with what belongs into its gaps: `fill("{n} of 5", { n: 3 })`.
 *
 * @param {string} text
 * @param {Record<string, string | number>} values
 */
export function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (gap, name) => String(values[name] ?? gap));
}

/** @param {string} wanted */
function isLocale(wanted) {
  try {
    return Intl.getCanonicalLocales(wanted).length === 1;
  } catch {
    return false;
  }
}
