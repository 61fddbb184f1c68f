// The form for a cohort: what is chosen becomes the body of POST /jobs/generate, and nothing else is sent.
import { acting, call, clearProblems, flash, Problem, showProblem } from "../api.js";
import { outcomesIn } from "../outcomes.js";
import { preview } from "../preview.js";
import { curlOf, fillSnippet, pythonOf, pythonWith } from "../snippet.js";
import { count, duration, h } from "../words.js";

const form = document.getElementById("generate");
const element = (id) => document.getElementById(id);
const defaults = JSON.parse(form?.dataset.defaults ?? "{}");
const N_PREVIEW = 8;
let base = {}, model = null, outcomes = null, asked = 0, timer = null, measured = null;

function body() {
  const chosen = {
    ...base,
    model_id: element("model").value,
    n_stays: Number(element("stays").value),
    label_ratios: outcomes.ratios(),
    sampler: { ...base.sampler, solver: element("solver").value, n_steps: Number(element("steps").value), guidance_scale: guidance() },
    missing: element("missing").value,
    enforce_rules: element("rules").checked,
    evaluate: element("detail").value !== "none",
    detail: element("detail").value === "none" ? "quick" : element("detail").value,
    seed: Number(element("seed").value),
  };
  return withoutDefaults(chosen, defaults);
}

/** One number, or what the request that one begins with has for each kind and label, as long as nobody changes it. */
function guidance() {
  const number = Number(element("guidance").value), before = base.sampler?.guidance_scale;
  return before !== undefined && number === oneNumber(before) ? before : number;
}

const oneNumber = (scale) => (typeof scale === "number" ? scale : scale.numerical);

/** What is as the API has it anyway need not be said. */
function withoutDefaults(chosen, usual) {
  const said = Object.entries(chosen).map(([name, value]) =>
    [name, name === "sampler" ? withoutDefaults(value, usual.sampler) : value]);
  return Object.fromEntries(said.filter(([name, value]) => {
    if (name === "sampler") return Object.keys(value).length > 0;
    return name === "model_id" || name === "n_stays" || JSON.stringify(value) !== JSON.stringify(usual[name]);
  }));
}

async function choose(modelId) {
  model = await call("GET", `/models/${encodeURIComponent(modelId)}`);
  element("model-help").textContent = `Learned from ${count(model.n_train)} stays of ${count(model.schema.sequence_length)} time steps with ${count(model.schema.features.length)} features.`;
  outcomes = outcomesIn(element("outcomes"), model, changed);
  measured = null;
  element("preview-area").hidden = true;
  changed();
}

/** Something was chosen: say what it comes to, once the hand rests. */
function changed() {
  if (!model) return;
  const wanted = body();
  fillSnippet(element("snippet"), { curl: curlOf("POST", "/jobs/generate", { json: wanted }), python: pythonWith(pythonCall(wanted)) });
  clearTimeout(timer);
  timer = setTimeout(look, 150);
}

async function look() {
  const wanted = body(), number = (asked += 1);
  try {
    const plan = await call("GET", `/console/generate/counts?request=${encodeURIComponent(JSON.stringify(wanted))}`);
    if (number !== asked) return;
    clearProblems(form);
    show(plan, wanted);
  } catch (error) {
    if (number !== asked) return;
    show(null, wanted);
    if (!(error instanceof Problem) || error.status !== 422) { showProblem(error, form); return; }
    const focused = document.activeElement;
    showProblem(error, form);
    element("flash").replaceChildren();
    focused?.focus();
  }
}

function show(plan, wanted) {
  outcomes.show(plan, plan ? wanted.n_stays : NaN);
  element("total").textContent = plan ? `${count(wanted.n_stays)} stays` : "";
  const tables = plan ? Object.entries(plan.label_counts).map(([label, counts]) => countsTable(label, counts)) : [];
  const free = model.schema.labels.filter(({ name }) => plan && !(name in plan.label_counts)).map(({ name }) => name);
  if (free.length) tables.push(h("p", { class: "soft" }, h("bdi", {}, free.join(", ")), `: as in the training stays${tables.length ? ", given the above" : ""}.`));
  element("plan").replaceChildren(...tables);
  element("time").textContent = plan ? timeWords(plan, wanted) : "";
}

const countsTable = (label, counts) =>
  h("table", { class: "compact" }, h("caption", {}, h("bdi", {}, label)), h("tbody", {}, ...Object.entries(counts).map(([category, n]) =>
    h("tr", {}, h("th", { scope: "row" }, h("bdi", {}, category)), h("td", { class: "number" }, count(n))))));

const nSteps = (wanted) => wanted.sampler?.n_steps ?? defaults.sampler.n_steps;

function timeWords(plan, wanted) {
  if (plan.seconds !== null) return `About ${duration(plan.seconds)} by your last cohort of this model, once it begins. An estimate.`;
  if (measured === null) return "How long it takes is not known yet; a preview gives an estimate.";
  const seconds = measured * wanted.n_stays * nSteps(wanted);
  return `Less than ${duration(seconds)} to draw, judging by the preview; the report comes on top. An estimate.`;
}

/** The same call by the Python client. */
function pythonCall({ model_id: id, n_stays: n, ...rest }) {
  const options = [`n_stays=${n}`, ...Object.entries(rest).map(([name, value]) => `${name}=${pythonOf(value)}`)];
  return `frame = client.generate(\n    ${pythonOf(id)},\n    ${options.join(",\n    ")},\n).wait().to_pandas()`;
}

async function look8() {
  const area = element("preview-area"), words = element("preview-words");
  area.hidden = false;
  element("strips").replaceChildren();
  element("preview-title").focus();
  const began = performance.now();
  const wanted = { ...body(), n_stays: N_PREVIEW, evaluate: false };
  delete wanted.webhook; // nobody else is told of a preview
  try {
    const { job, nLeftOut } = await preview(wanted, model, element("strips"), (text) => { words.textContent = text; });
    measured = job.result.timings.sampling / (N_PREVIEW * nSteps(wanted));
    const left = nLeftOut ? ` ${nLeftOut} more feature${nLeftOut === 1 ? " is" : "s are"} not shown.` : "";
    words.textContent = `Eight made-up stays, drawn in ${duration((performance.now() - began) / 1000)}. Each line is a feature over ${count(model.schema.sequence_length)} time steps, on one scale for all stays; gaps are values that were not measured.${left}`;
    look();
  } catch (error) {
    area.hidden = true;
    if (error instanceof Problem) throw error;
    flash(`There is no preview: ${error.message}`, { kind: "poor" });
  }
}

async function submit() {
  const job = await call("POST", "/jobs/generate", { json: body(), once: true });
  location.assign(`/console/jobs/${job.id}`);
}

/** Begin with what another job was asked for. */
async function fillFrom(jobId) {
  const { request } = await call("GET", `/jobs/${encodeURIComponent(jobId)}`);
  if (request.kind !== "generate") return choose(element("model").value);
  base = { ...request, preset: null }; // with what this form has no field for; what the preset has chosen is spelled out
  if (![...element("model").options].some(({ value }) => value === request.model_id)) {
    flash("The model of that job is not here any more. Choose another one; the rest is as it was.");
  } else element("model").value = request.model_id;
  await choose(element("model").value);
  element("stays").value = request.n_stays;
  element("guidance").value = oneNumber(request.sampler.guidance_scale);
  element("solver").value = request.sampler.solver;
  element("steps").value = request.sampler.n_steps;
  element("seed").value = request.seed;
  element("missing").value = request.missing;
  element("rules").checked = request.enforce_rules;
  element("detail").value = request.evaluate ? request.detail : "none";
  outcomes.fill(request.label_ratios);
  changed();
}

if (form) {
  form.addEventListener("input", (event) => { if (event.target.closest(".field:not(.outcomes)") && event.target.id !== "model") changed(); });
  element("model").addEventListener("change", () => choose(element("model").value).catch((error) => showProblem(error, form)));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const button = form.querySelector("button[type=submit]");
    if (button) acting(button, submit, form);
  });
  element("preview")?.addEventListener("click", () => acting(element("preview"), look8, form));
  const from = new URLSearchParams(location.search).get("from");
  (from ? fillFrom(from) : choose(element("model").value)).catch((error) => showProblem(error, form));
}
