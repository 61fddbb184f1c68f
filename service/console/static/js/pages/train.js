// The form of a training: what it would send is shown as one fills it in.
import { acting, call, showProblem } from "../api.js";
import { curlOf, fillSnippet, pythonOf, pythonWith } from "../snippet.js";

const MINUTES = { quick: 5, standard: 60 };
const form = document.getElementById("train");
const value = (id) => document.getElementById(id).value.trim();
const number = (id) => (value(id) === "" ? undefined : Number(value(id)));

let base = {}; // training and network of the request that one begins with, until another choice is made

/** The body of POST /jobs/train; what has its default is left out. */
function wanted() {
  const preset = new FormData(form).get("preset");
  const minutes = number("minutes") ?? (base.training ? null : MINUTES[preset]);
  const epsilon = number("epsilon");
  const body = { ...base, dataset_id: value("dataset"), name: value("name") };
  if (preset === "paper" && !base.training) body.preset = "paper";
  if (minutes !== undefined) body.training = { ...body.training, max_minutes: minutes };
  if (epsilon !== undefined) body.training = { ...body.training, privacy: { ...base.training?.privacy, epsilon } };
  else if (base.training?.privacy) body.training.privacy = null;
  if (number("holdout") !== 0.2) body.holdout_fraction = number("holdout");
  if (number("seed")) body.seed = number("seed");
  return body;
}

/** Fill in the request of the job `id`. */
async function fillFrom(id) {
  const { request } = await call("GET", `/jobs/${encodeURIComponent(id)}`);
  base = { training: request.training, network: request.network };
  const set = (field, content) => { document.getElementById(field).value = content ?? ""; };
  if ([...document.getElementById("dataset").options].some((option) => option.value === request.dataset_id)) set("dataset", request.dataset_id);
  set("name", request.name);
  set("minutes", request.training.max_minutes);
  set("epsilon", request.training.privacy?.epsilon);
  set("holdout", request.holdout_fraction);
  set("seed", request.seed);
  document.querySelector("[name=preset]:checked").checked = false;
  document.getElementById("epsilon").closest("details").open = true;
  show();
}

function show() {
  const { dataset_id, name, ...rest } = wanted();
  const more = Object.entries(rest).map(([key, inner]) => `, ${key}=${pythonOf(inner)}`).join("");
  fillSnippet(document.getElementById("snippet"), {
    curl: curlOf("POST", "/jobs/train", { json: wanted() }),
    python: pythonWith(`job = client.train(${pythonOf(dataset_id)}, name=${pythonOf(name)}${more}).wait()\nprint(job.report())`),
  });
}

form?.addEventListener("input", (event) => {
  if (event.target.name === "preset") base = {};
  show();
});
form?.addEventListener("submit", (event) => {
  event.preventDefault();
  acting(form.querySelector("[type=submit]"), async () => {
    const job = await call("POST", "/jobs/train", { json: wanted(), once: true });
    location.assign(`/console/jobs/${job.id}`);
  }, form);
});
const from = new URLSearchParams(location.search).get("from");
if (form) show();
if (form && from) fillFrom(from).catch((error) => showProblem(error, form));
