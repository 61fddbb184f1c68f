// The form of a training: what it would send is shown as one fills it in.
import { acting, call } from "../api.js";
import { curlOf, fillSnippet, pythonOf, pythonWith } from "../snippet.js";

const MINUTES = { quick: 5, standard: 60 };
const form = document.getElementById("train");
const value = (id) => document.getElementById(id).value.trim();
const number = (id) => (value(id) === "" ? undefined : Number(value(id)));

/** The body of POST /jobs/train; what has its default is left out. */
function wanted() {
  const preset = new FormData(form).get("preset");
  const minutes = number("minutes") ?? MINUTES[preset];
  const body = { dataset_id: value("dataset"), name: value("name") };
  if (preset === "paper") body.preset = "paper";
  if (minutes !== undefined) body.training = { max_minutes: minutes };
  if (number("epsilon") !== undefined) body.training = { ...body.training, privacy: { epsilon: number("epsilon") } };
  if (number("holdout") !== 0.2) body.holdout_fraction = number("holdout");
  if (number("seed")) body.seed = number("seed");
  return body;
}

function show() {
  const { dataset_id, name, ...rest } = wanted();
  const more = Object.entries(rest).map(([key, inner]) => `, ${key}=${pythonOf(inner)}`).join("");
  fillSnippet(document.getElementById("snippet"), {
    curl: curlOf("POST", "/jobs/train", { json: wanted() }),
    python: pythonWith(`job = client.train(${pythonOf(dataset_id)}, name=${pythonOf(name)}${more}).wait()\nprint(job.report())`),
  });
}

form?.addEventListener("input", show);
form?.addEventListener("submit", (event) => {
  event.preventDefault();
  acting(form.querySelector("[type=submit]"), async () => {
    const job = await call("POST", "/jobs/train", { json: wanted(), once: true });
    location.assign(`/console/jobs/${job.id}`);
  }, form);
});
if (form) show();
