/** @file The page at `/` in development mode: a shop with the widget beside the dashboard. */

import { find } from "./find.js";

const tenantId = new URLSearchParams(location.search).get("tenantId")?.trim() || "demo";

/** @param {string} path @param {Record<string, string>} [more] */
function address(path, more = {}) {
  return `${path}?${new URLSearchParams({ tenantId, ...more })}`;
}

/** The same server under its other name: a browser's cookies there are another visitor's. */
function elsewhere() {
  const url = new URL(address("/demo/shop.html"), location.href);
  url.hostname = url.hostname === "localhost" ? "127.0.0.1" : "localhost";
  return url.href;
}

const main = find(document, "main");
/** @type {HTMLIFrameElement} */ (find(document, "#shop")).src = address("/demo/shop.html", {
  open: "",
});
/** @type {HTMLIFrameElement} */ (find(document, "#desk")).src = address("/dashboard", {
  agent: "ann",
  beside: "",
});
/** @type {HTMLAnchorElement} */ (find(document, "#second-visitor")).href = elsewhere();
/** @type {HTMLAnchorElement} */ (find(document, "#second-agent")).href = address("/dashboard", {
  agent: "bob",
});
/** @type {HTMLAnchorElement} */ (find(document, "#plain")).href = address("/demo/");

const buttons = [...document.querySelectorAll("button[data-side]")];
for (const button of buttons) {
  button.addEventListener("click", () => {
    main.dataset.side = button.getAttribute("data-side") ?? "shop";
    for (const each of buttons) each.setAttribute("aria-pressed", String(each === button));
  });
}
