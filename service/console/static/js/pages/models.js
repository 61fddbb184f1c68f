// Taking in the archive of a model.
import { acting, call, setFieldError } from "../api.js";
import { curlOf, fillSnippet, pythonWith } from "../snippet.js";

const form = document.getElementById("take-in");
const archive = document.getElementById("archive");

form?.addEventListener("submit", (event) => {
  event.preventDefault();
  acting(form.querySelector("[type=submit]"), async () => {
    const [file] = archive.files;
    if (!file) { setFieldError(archive.closest(".field"), "Choose the archive first."); archive.focus(); return; }
    const body = new FormData();
    body.append("file", file);
    const model = await call("POST", "/models", { form: body });
    location.assign(`/console/models/${model.id}`);
  }, form);
});

if (form) {
  fillSnippet(document.getElementById("snippet"), {
    curl: curlOf("POST", "/models", { files: { file: "@model.zip" } }),
    python: pythonWith('model = client.import_model("model.zip")'),
  });
}
