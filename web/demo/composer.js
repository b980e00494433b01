/** @file Where someone writes: Enter sends, Shift+Enter starts a new line. */

import { ParlorError } from "../client/parlor.js";
import { find } from "./find.js";

/**
 * @param {HTMLElement} within
 * @param {(text: string) => void} send throws what is to be shown; the text then stays where it is
 */
export function listenToComposer(within, send) {
  const form = /** @type {HTMLFormElement} */ (find(within, "form"));
  const field = /** @type {HTMLTextAreaElement} */ (find(form, "textarea"));
  const problem = find(form, ".problem");
  field.addEventListener("keydown", (event) => {
    // While an input method composes, Enter confirms its choice and does not send.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    problem.textContent = "";
    if (field.value.trim() === "") return;
    try {
      send(field.value);
      field.value = "";
    } catch (thrown) {
      if (!(thrown instanceof ParlorError)) throw thrown;
      problem.textContent = thrown.message;
    }
    field.focus();
  });
}
