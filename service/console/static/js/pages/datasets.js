// A new dataset: the file is sent to be looked at, its schema is shown to be corrected, then it is sent to be stored.
import { acting, clearProblems, setFieldError, showProblem } from "../api.js";
import { fill, read } from "../schema.js";
import { send } from "../sending.js";
import { curlOf, fillSnippet, pythonOf, pythonWith } from "../snippet.js";
import { count, h, percent, size } from "../words.js";

const form = document.getElementById("upload");
const element = (id) => document.getElementById(id);
let record = null;

async function transfer(path, words, { schema } = {}) {
  const [file] = element("file").files;
  const body = new FormData();
  if (schema) body.append("schema", JSON.stringify(schema));
  if (schema) body.append("name", element("name").value.trim());
  body.append("file", file);
  element("sending").hidden = false;
  const told = (share) => {
    element("sending-bar").value = 100 * share;
    element("sending-words").textContent = share < 1 ? `${words} ${size(file.size)}: ${percent(share, 0)}` : "It is being read and checked.";
  };
  told(0);
  try {
    return await send(path, body, { told });
  } finally {
    element("sending").hidden = true;
  }
}

async function look() {
  const [file] = element("file").files;
  if (!file) return;
  clearProblems(form);
  setFieldError(element("drop"), "");
  element("review").hidden = true;
  try {
    record = await transfer("/datasets?dry_run=true", "Sending");
  } catch (error) {
    showProblem(error, form);
    return;
  }
  review();
}

function review() {
  element("name").value = record.name;
  element("found").replaceChildren(
    ...fact("stays", count(record.n_stays)), ...fact("rows", count(record.n_rows)),
    ...fact("steps of a stay", count(record.sequence_length)),
    ...fact("stays are told apart by", record.schema.stay_id), ...fact("time", record.schema.time),
    ...Object.entries(record.label_counts).flatMap(([label, counts]) => fact(label, Object.entries(counts).map(([name, n]) => `${name}: ${count(n)}`).join(", "))));
  fill(element("schema"), record);
  element("drop").hidden = true;
  element("review").hidden = false;
  element("review-title").focus();
  show();
}

const fact = (name, value) => [h("dt", {}, name), h("dd", {}, value)];

function show() {
  const [file, name, schema] = [`${element("file").files[0].name}`, element("name").value.trim(), read(element("schema"), record.schema)];
  fillSnippet(element("snippet"), {
    curl: curlOf("POST", "/datasets", { files: { file: `@${file}`, name, schema: JSON.stringify(schema) } }),
    python: pythonWith(`dataset = client.upload(${pythonOf(file)}, name=${pythonOf(name)}, schema=${pythonOf(schema)})`),
  });
}

element("file")?.addEventListener("change", look);
form?.addEventListener("input", () => { if (!element("review").hidden) show(); });
element("again")?.addEventListener("click", () => {
  element("review").hidden = true;
  element("drop").hidden = false;
  element("file").value = "";
  element("file").focus();
});
form?.addEventListener("submit", (event) => {
  event.preventDefault();
  if (!record) return;
  acting(form.querySelector("[type=submit]"), async () => {
    const stored = await transfer("/datasets", "Storing", { schema: read(element("schema"), record.schema) });
    location.assign(`/console/datasets/${stored.id}`);
  }, form);
});
for (const name of ["dragover", "dragleave", "drop"]) {
  element("drop")?.addEventListener(name, (event) => {
    event.preventDefault();
    element("drop").classList.toggle("over", name === "dragover");
    if (name !== "drop" || !event.dataTransfer.files.length) return;
    element("file").files = event.dataTransfer.files;
    look();
  });
}
