// Keys: making one, giving one another secret, revoking one. A secret is shown once, and kept nowhere.
import "./removal.js";
import { acting, call } from "../api.js";
import { curlOf, fillSnippet } from "../snippet.js";

const form = document.getElementById("new-key");

/** The body of POST /keys. */
function wanted() {
  const scopes = [...form.querySelectorAll("[type=checkbox]:checked")].map((box) => box.name.replace("scope-", ""));
  return { name: document.getElementById("key-name").value.trim(), scopes, days: Number(document.getElementById("days").value) };
}

function reveal({ key }) {
  document.getElementById("secret").textContent = key;
  const shown = document.getElementById("shown");
  shown.hidden = false;
  shown.scrollIntoView({ block: "center" });
}

const show = () => fillSnippet(document.getElementById("snippet"), { curl: curlOf("POST", "/keys", { json: wanted() }) });

form.addEventListener("input", show);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  acting(form.querySelector("[type=submit]"), async () => reveal(await call("POST", "/keys", { json: wanted() })), form);
});
for (const button of document.querySelectorAll("[data-rotate]")) {
  button.addEventListener("click", () => acting(button, async () => {
    reveal(await call("POST", `/keys/${button.dataset.rotate}/rotate`, { json: {} }));
  }));
}
show();
