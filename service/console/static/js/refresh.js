// A part of the page anew from the server, which is the only one that renders it.
import { localTimes } from "./words.js";

/** Replace the element `#id` by what the page at its present address has there now; the focus stays where it is. */
export async function refresh(id) {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!answer.ok || answer.redirected) { location.reload(); return; }
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(id);
  const old = document.getElementById(id);
  if (!fresh || !old || old.dataset.shown === fresh.outerHTML) return;
  const focused = old.contains(document.activeElement) ? nameOf(document.activeElement) : null;
  const shown = fresh.outerHTML;
  old.replaceWith(document.adoptNode(fresh));
  localTimes(fresh);
  fresh.dataset.shown = shown;
  if (focused) fresh.querySelector(focused)?.focus();
}

/** A selector that finds the same link or button again. */
function nameOf(element) {
  if (element.id) return `#${CSS.escape(element.id)}`;
  for (const name of ["href", "data-cancel", "data-delete"]) {
    if (element.hasAttribute(name)) return `[${name}="${CSS.escape(element.getAttribute(name))}"]`;
  }
  return null;
}
