/** @file Adds the widget to the shop as a site does, for the tenant of the address. */

const query = new URLSearchParams(location.search);
const script = document.createElement("script");
script.type = "module";
script.src = "/widget.js";
script.dataset.tenant = query.get("tenantId")?.trim() || "demo";
script.dataset.team = "Oak & Linen";

// Beside the dashboard the chat is what the page is about, so that it is open.
if (query.has("open")) {
  script.addEventListener("load", () => {
    const { Parlor } = /** @type {{Parlor?: {open: () => void}}} */ (
      /** @type {unknown} */ (window)
    );
    Parlor?.open();
  });
}
document.head.append(script);
