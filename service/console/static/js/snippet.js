// What a button does, as one would do it with curl and with Python.

const isAuthOff = () => document.body.dataset.auth === "off";
const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

/** The curl command of a request; `json` is its body, `files` its form fields ({name: value}, "@file" for a file). */
export function curlOf(method, path, { json, files, output } = {}) {
  const parts = [`curl -sS${output ? ` -o ${quoted(output)}` : ""}${method === "GET" ? "" : ` -X ${method}`} ${quoted(location.origin + path)}`];
  if (!isAuthOff()) parts.push('-H "Authorization: Bearer $CDMT_API_KEY"');
  if (json !== undefined) parts.push("-H 'Content-Type: application/json'", `-d ${quoted(JSON.stringify(json))}`);
  for (const [name, value] of Object.entries(files ?? {})) parts.push(`-F ${quoted(`${name}=${value}`)}`);
  return parts.join(" \\\n  ");
}

/** A value as Python writes it. */
export function pythonOf(value) {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "string") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(pythonOf).join(", ")}]`;
  if (typeof value === "object") return `{${Object.entries(value).map(([key, inner]) => `${JSON.stringify(key)}: ${pythonOf(inner)}`).join(", ")}}`;
  return String(value);
}

/** Python that makes a client and then runs `lines`. */
export function pythonWith(lines) {
  const key = isAuthOff() ? "" : "  # takes the key from CDMT_API_KEY";
  return `from cdmt_client import CohortClient\n\nclient = CohortClient(${JSON.stringify(location.origin)})${key}\n${lines}`;
}

/** Put the two into a snippet of macros.html.j2; without Python, only curl is shown. */
export function fillSnippet(element, { curl, python = "" }) {
  element.querySelector("[data-code=curl]").textContent = curl;
  element.querySelector("[data-code=python]").textContent = python;
  element.querySelector("[data-has=python]").hidden = !python;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const code = button.parentElement.querySelector("code");
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "Copied";
  } catch { // not allowed outside of TLS and loopback: select it, so that one can copy it by hand
    getSelection().selectAllChildren(code);
    button.textContent = "Selected";
  }
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
});
