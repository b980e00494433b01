/** @file The line that says how a client's connection is. */

/** @import {ParlorClient, StateDetail} from "../client/parlor.js" */

/**
 * @param {HTMLElement} line
 * @param {ParlorClient} client
 */
export function showState(line, client) {
  client.addEventListener("state", ({ detail }) => {
    line.dataset.state = detail.state;
    line.textContent = words(detail);
  });
}

/** @param {StateDetail} detail */
function words({ state, retryInMs = 0, error }) {
  switch (state) {
    case "idle":
      return "Not connected";
    case "connecting":
      return "Connecting…";
    case "online":
      return "Connected";
    case "waiting":
      return `Connection lost; next try in ${Math.max(1, Math.round(retryInMs / 1000))} s`;
    case "closed":
      return error ? "Disconnected, and will not try again" : "Disconnected";
  }
}
