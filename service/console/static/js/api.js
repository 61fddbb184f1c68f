// Requests to the REST API, and its problem documents (RFC 9457) as messages at the fields that they point to.

/** What the API, or the way to it, says is wrong. */
export class Problem extends Error {
  constructor({ title, detail, status = 0, type = "", errors = [], request_id = "" }) {
    super(detail || title);
    Object.assign(this, { title, detail, status, type, errors, requestId: request_id });
  }
}

const csrfToken = () => document.querySelector("meta[name=csrf-token]")?.content;

/** The answer of `method path`; Problem for anything but success. `json` or `form` (FormData) is the body. */
export async function request(method, path, { json, form, headers = {}, once = false } = {}) {
  const sent = { Accept: "application/json", ...headers };
  if (csrfToken()) sent["X-CSRF-Token"] = csrfToken();
  if (json !== undefined) sent["Content-Type"] = "application/json";
  if (once) sent["Idempotency-Key"] = randomId();
  let answer;
  try {
    answer = await fetch(path, { method, headers: sent, body: json === undefined ? form : JSON.stringify(json) });
  } catch {
    throw new Problem({ title: "The service does not answer", detail: "The service does not answer. Is the network there? Nothing was changed, as far as this page knows." });
  }
  if (answer.ok) return answer;
  throw await problemOf(answer);
}

/** The JSON of `request`; null for an answer without a body. */
export async function call(method, path, options) {
  const answer = await request(method, path, options);
  return answer.status === 204 ? null : answer.json();
}

export async function problemOf(answer) {
  try {
    return new Problem(await answer.json());
  } catch {
    return new Problem({ title: answer.statusText, detail: `The service answers with status ${answer.status}.`, status: answer.status });
  }
}

const randomId = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

/** A message above the page's content, read out by screen readers. `kind`: good, poor or nothing. */
export function flash(message, { kind = "", more = "" } = {}) {
  const box = document.createElement("div");
  box.className = kind;
  if (kind === "poor") box.setAttribute("role", "alert");
  box.append(paragraph(message), ...(more ? [paragraph(more, "soft")] : []));
  document.getElementById("flash").replaceChildren(box);
  box.scrollIntoView({ block: "nearest" });
}

function paragraph(text, className = "") {
  const p = document.createElement("p");
  p.className = className;
  p.textContent = text;
  return p;
}

/** Take all messages away from the fields of `form`, and from above the page. */
export function clearProblems(form) {
  document.getElementById("flash").replaceChildren();
  for (const field of form?.querySelectorAll(".field") ?? []) setFieldError(field, "");
}

/** Show what is wrong: at the fields that it points to, the first of which gets the focus; else above the page. */
export function showProblem(error, form = null) {
  if (!(error instanceof Problem)) throw error;
  if (error.status === 401 && location.pathname !== "/signin") {
    const here = encodeURIComponent(location.pathname + location.search);
    location.assign(`/signin?next=${here}`);
    return;
  }
  const left = [];
  let first = null;
  for (const { pointer, message } of error.errors ?? []) {
    const field = fieldOf(form, pointer);
    if (!field) { left.push(message); continue; }
    setFieldError(field, message);
    first ??= field;
  }
  first?.closest("details:not([open])")?.setAttribute("open", "");
  first?.querySelector("input, select, textarea")?.focus();
  const id = error.requestId ? `Request id ${error.requestId}` : "";
  if (!first) flash(error.message, { kind: "poor", more: id });
  else if (left.length) flash(left.join(" "), { kind: "poor", more: id });
  else flash(`${error.title}. See the field that is marked.`, { kind: "poor", more: id });
}

/** The field whose data-pointer is the longest beginning of `pointer`. */
function fieldOf(form, pointer) {
  const fields = [...(form?.querySelectorAll("[data-pointer]") ?? [])].filter(({ dataset }) =>
    dataset.pointer && (pointer === dataset.pointer || pointer.startsWith(`${dataset.pointer}/`)));
  return fields.sort((a, b) => b.dataset.pointer.length - a.dataset.pointer.length)[0] ?? null;
}

export function setFieldError(field, message) {
  const place = field.querySelector(".error");
  if (place) { place.textContent = message; place.hidden = !message; }
  const input = field.querySelector("input, select, textarea");
  if (message) input?.setAttribute("aria-invalid", "true");
  else input?.removeAttribute("aria-invalid");
}

/** Run an action of a button: the button cannot be pressed again meanwhile, and what goes wrong is shown. */
export async function acting(button, action, form = null) {
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true");
  clearProblems(form);
  try {
    await action();
  } catch (error) {
    showProblem(error, form);
  } finally {
    button.removeAttribute("aria-disabled");
  }
}
