/** @file The icons: strokes on a grid of 20, drawn in the colour of the text beside them. */

const NAMESPACE = "http://www.w3.org/2000/svg";

const PATHS = {
  inbox:
    "M3 11l2.2-6.2A1.2 1.2 0 0 1 6.3 4h7.4a1.2 1.2 0 0 1 1.1.8L17 11v3.8a1.2 1.2 0 0 1-1.2 1.2H4.2A1.2 1.2 0 0 1 3 14.8zm0 0h4l1 2h4l1-2h4",
  mine: "M10 10a3 3 0 1 0 0-6 3 3 0 0 0 0 6zm-6 6.5c.6-2.8 3-4.5 6-4.5s5.4 1.7 6 4.5",
  none: "M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM10 7v3.2m0 2.6v.1",
  waiting:
    "M4 5.2A1.2 1.2 0 0 1 5.2 4h9.6A1.2 1.2 0 0 1 16 5.2v6.6a1.2 1.2 0 0 1-1.2 1.2H9l-3.5 3v-3h-.3A1.2 1.2 0 0 1 4 11.8zM7.5 8.5h.1m2.4 0h.1m2.4 0h.1",
  snoozed: "M10 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zm0-10v3.5l2.3 1.5M3 5l2-2m12 2l-2-2",
  closed: "M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM7 10.2l2.2 2.2L13.2 8",
  team: "M7.5 9.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM2.5 15.5c.4-2.3 2.5-3.7 5-3.7s4.6 1.4 5 3.7M13 9.3a2.2 2.2 0 1 0-.8-4.2M14.6 11.8c1.5.5 2.6 1.7 2.9 3.4",
  label:
    "M3.5 9V4.7A1.2 1.2 0 0 1 4.7 3.5H9a1.2 1.2 0 0 1 .8.3l6.4 6.4a1.2 1.2 0 0 1 0 1.7l-4.3 4.3a1.2 1.2 0 0 1-1.7 0L3.8 9.8A1.2 1.2 0 0 1 3.5 9zM6.8 6.8h.1",
  search: "M9 14.5a5.5 5.5 0 1 0 0-11 5.5 5.5 0 0 0 0 11zm4-1.5l3.5 3.5",
  back: "M12 4.5L6.5 10l5.5 5.5",
  menu: "M3.5 6h13m-13 4h13m-13 4h13",
  details:
    "M4.7 4h10.6A1.2 1.2 0 0 1 16.5 5.2v9.6a1.2 1.2 0 0 1-1.2 1.2H4.7a1.2 1.2 0 0 1-1.2-1.2V5.2A1.2 1.2 0 0 1 4.7 4zM12 4v12",
  close: "M5.5 5.5l9 9m0-9l-9 9",
  send: "M10 16V4.5m0 0L5 9.5m5-5l5 5",
  note: "M5.2 3.5h9.6A1.2 1.2 0 0 1 16 4.7v7.5L12.2 16h-7A1.2 1.2 0 0 1 4 14.8V4.7a1.2 1.2 0 0 1 1.2-1.2zM16 12h-2.8a1 1 0 0 0-1 1v3M7 7.5h6m-6 3h3",
  canned: "M11 3L5 11h4.5L9 17l6-8h-4.5z",
  bell: "M10 3.5a4.5 4.5 0 0 0-4.5 4.5c0 4-1.5 5-1.5 5h12s-1.5-1-1.5-5A4.5 4.5 0 0 0 10 3.5zM8.5 15.5a1.6 1.6 0 0 0 3 0",
  bellOff:
    "M10 3.5a4.5 4.5 0 0 0-4.5 4.5c0 4-1.5 5-1.5 5h12s-1.5-1-1.5-5A4.5 4.5 0 0 0 10 3.5zM8.5 15.5a1.6 1.6 0 0 0 3 0M3.5 3.5l13 13",
  keyboard:
    "M3.7 5.5h12.6a1.2 1.2 0 0 1 1.2 1.2v6.6a1.2 1.2 0 0 1-1.2 1.2H3.7a1.2 1.2 0 0 1-1.2-1.2V6.7a1.2 1.2 0 0 1 1.2-1.2zM5.5 8.5h.1m2.9 0h.1m2.9 0h.1m2.9 0h.1M7 11.5h6",
  palette:
    "M6.5 7.8a2 2 0 1 1 1.3-1.3v7a2 2 0 1 1-1.3-1.3h7a2 2 0 1 1-1.3 1.3v-7a2 2 0 1 1 1.3 1.3z",
  star: "M10 3.2l2.1 4.3 4.7.7-3.4 3.3.8 4.7-4.2-2.2-4.2 2.2.8-4.7L3.2 8.2l4.7-.7z",
  plus: "M10 4.5v11M4.5 10h11",
  check: "M4.5 10.5l3.7 3.7 7.3-8",
  out: "M8 3.5H4.7A1.2 1.2 0 0 0 3.5 4.7v10.6a1.2 1.2 0 0 0 1.2 1.2H8M8 10h8.5m0 0l-3-3m3 3l-3 3",
  reopen: "M4 10a6 6 0 1 0 1.8-4.3L4 7.5M4 3.8v3.7h3.7",
  more: "M5 10h.1m4.9 0h.1m4.9 0h.1",
};

/** @typedef {keyof typeof PATHS} IconName */

/** @param {IconName} name @returns {SVGSVGElement} */
export function icon(name) {
  const svg = document.createElementNS(NAMESPACE, "svg");
  svg.setAttribute("viewBox", "0 0 20 20");
  svg.setAttribute("class", `icon icon-${name}`);
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(NAMESPACE, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}
