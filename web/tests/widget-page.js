/**
 * @file Stands for the released widget, which cannot be had here: a page that does on the wire what
 *   was observed of it and written down in the contract, its faults included. It shows what it sent
 *   at once, never drops a repeat, asks for history once and never again, and ignores close codes.
 *   Nothing here may be made better than the widget is.
 *
 * Its address says what to talk to: `api` (base of the REST calls), `socket` (base of the upgrade)
 * and `tenantId`.
 */

/** @typedef {{id: string, text: string, sender: string, timestamp: string}} ContractMessage */

/** The waits before it tries again, in seconds; after the last it never does. */
const RETRIES = [1, 3, 7, 15, 31];

const settings = new URLSearchParams(location.search);
const tenantId = settings.get("tenantId") ?? settings.get("tenant") ?? "";
const messagesUrl = `${settings.get("api")}/api/chat/messages`;

const state = /** @type {HTMLElement} */ (document.querySelector("#state"));
const list = /** @type {HTMLElement} */ (document.querySelector("#messages"));
const form = /** @type {HTMLFormElement} */ (document.querySelector("form"));
const field = /** @type {HTMLInputElement} */ (document.querySelector("#text"));

/** @type {WebSocket | undefined} */
let socket;
let losses = 0;
/** After an error frame it never uses its socket again. */
let postOnly = false;

/** @param {{text: string, sender: string}} message */
function show({ text, sender }) {
  const item = document.createElement("li");
  item.dataset.sender = sender;
  item.textContent = text;
  list.append(item);
}

/** There is no input until the socket has opened or failed once. @param {string} now */
function settle(now) {
  state.textContent = now;
  form.hidden = false;
}

function connect() {
  const opened = new WebSocket(
    `${settings.get("socket")}?tenantId=${encodeURIComponent(tenantId)}`,
  );
  socket = opened;
  opened.onopen = () => {
    losses = 0;
    settle("Online");
  };
  opened.onerror = () => settle("Offline");
  opened.onclose = () => {
    settle("Offline");
    const wait = RETRIES[losses];
    losses += 1;
    if (wait !== undefined) setTimeout(connect, wait * 1000);
  };
  opened.onmessage = ({ data }) => {
    const frame = JSON.parse(data);
    // A `message` that is missing, null or flat crashes the page, as it does there.
    if (frame.type === "message") show(/** @type {{message: ContractMessage}} */ (frame).message);
    if (frame.type === "error") postOnly = true;
  };
}

/** @param {RequestInit} init */
async function call(init) {
  const response = await fetch(messagesUrl, {
    ...init,
    headers: { "Content-Type": "application/json", "X-Tenant-ID": tenantId },
    credentials: "include",
  });
  if (!response.ok) throw new Error(`answered ${response.status}`);
  return response.json();
}

async function load() {
  const { messages } = /** @type {{messages: ContractMessage[]}} */ (await call({ method: "GET" }));
  // The answer replaces whatever came before it.
  list.replaceChildren();
  messages.forEach(show);
  list.dataset.loaded = "yes";
}

/** @param {string} text */
async function send(text) {
  if (socket?.readyState === WebSocket.OPEN && !postOnly) {
    socket.send(
      JSON.stringify({ type: "message", text, tenantId, timestamp: new Date().toISOString() }),
    );
    show({ text, sender: "user" });
    return;
  }
  try {
    const { message } = await call({ method: "POST", body: JSON.stringify({ text, tenantId }) });
    show(message);
  } catch {
    field.value = text;
    state.textContent = "Not sent";
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = field.value;
  field.value = "";
  void send(text);
});

// In one task, so that neither request carries what the other's answer sets.
connect();
load().catch(() => (list.dataset.loaded = "failed"));
