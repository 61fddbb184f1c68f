// Which shares of its outcomes a cohort shall have: the `label_ratios` of a request, as somebody chooses them.
import { apportion, sharesIn, WHOLE } from "./shares.js";
import { h } from "./words.js";

const MAX_COMBINATIONS = 24;
const WAYS = [["training", "as in training"], ["balanced", "equal"], ["own", "my choice"]];

/** The form for a model's labels, into `box`. Returns {ratios(), fill(ratios), show(plan, nStays)}. */
export function outcomesIn(box, model, changed) {
  box.replaceChildren();
  const labels = model.schema.labels;
  if (!labels.length) {
    box.append(h("p", { class: "soft" }, "This model has no outcomes to choose."));
    return { ratios: () => null, fill() {}, show() {} };
  }
  const single = h("div");
  const parts = labels.map((label) => labelPart(single, label, model.label_counts[label.name], changed));
  const joint = jointPart(labels, changed);
  let isJoint = false;
  if (joint) {
    const choose = (value) => { isJoint = value; single.hidden = value; joint.box.hidden = !value; changed(); };
    box.append(radios("way", "Choose shares of", [["single", "each outcome"], ["joint", "their combinations"]], "single", (value) => choose(value === "joint")));
    joint.box.hidden = true;
  }
  box.append(single, ...(joint ? [joint.box] : []));
  return {
    ratios() {
      if (isJoint) return joint.strata();
      const chosen = parts.filter((part) => part.way() !== "training").map((part) => [part.label.name, part.ratios()]);
      return chosen.length ? Object.fromEntries(chosen) : null;
    },
    fill(ratios) {
      if (Array.isArray(ratios)) {
        if (joint?.fill(ratios)) box.querySelector("input[value=joint]").click();
        return;
      }
      const given = ratios === "balanced" ? { [labels[0].name]: "balanced" } : ratios ?? {};
      for (const part of parts) part.fill(given[part.label.name] ?? null);
    },
    show(plan, nStays) {
      for (const part of parts) part.show(plan?.label_counts?.[part.label.name], nStays);
      joint?.show(plan?.stratum_counts);
    },
  };
}

/** The shares of a label's categories; `known` are the training stays of each, where the model knows them. */
function labelPart(box, label, known, changed) {
  const isKnown = known !== undefined;
  const training = apportion(label.categories.map((category) => known?.[category] ?? 0), WHOLE);
  const rows = h("div", { class: "shares" });
  let way = "training";
  const own = () => { way = "own"; group.querySelector("input[value=own]").checked = true; changed(); };
  const shares = sharesIn(rows, label.categories.map((words) => ({ words, about: `${label.name} =` })), { tenths: training, changed: own });
  const choose = (value) => {
    way = value;
    if (way === "training") shares.set(training);
    if (way === "balanced") shares.set(apportion(label.categories.map(() => 1), WHOLE));
    changed();
  };
  const group = radios(`way-${label.name}`, label.name, WAYS, "training", choose, rows);
  box.append(group);
  const check = (value) => { group.querySelector(`input[value=${value}]`).checked = true; choose(value); };
  return {
    label,
    way: () => way,
    ratios: () => (way === "balanced" ? "balanced" : ratiosOf(label.categories, shares.get())),
    fill(given) {
      if (given === null || given === "balanced") { check(given ?? "training"); return; }
      shares.set(apportion(label.categories.map((category) => given[category] ?? 0), WHOLE));
      own();
    },
    show(counts, nStays) {
      if (counts) shares.counts(label.categories.map((category) => counts[category]));
      else if (Number.isFinite(nStays) && isKnown) shares.counts(training.map((share) => (share * nStays) / WHOLE), { isAbout: true });
      else shares.counts(null);
    },
  };
}

/** Shares of every combination of the labels; null where there is one label, or where there are too many. */
function jointPart(labels, changed) {
  const combinations = labels.reduce((all, { name, categories }) =>
    all.flatMap((before) => categories.map((category) => ({ ...before, [name]: category }))), [{}]);
  if (labels.length < 2 || combinations.length > MAX_COMBINATIONS) return null;
  const rows = h("div", { class: "shares joint" });
  const box = h("fieldset", { class: "label" }, h("legend", { class: "quiet" }, "Combinations"), rows);
  const words = combinations.map((labels_) => Object.entries(labels_).map(([name, category]) => `${name} = ${category}`).join(", "));
  const shares = sharesIn(rows, words.map((text) => ({ words: text })), { tenths: apportion(combinations.map(() => 1), WHOLE), changed });
  const key = (chosen) => JSON.stringify(labels.map(({ name }) => chosen[name]));
  return {
    box,
    strata: () => combinations.map((chosen, k) => ({ labels: chosen, ratio: shares.get()[k] / WHOLE })).filter(({ ratio }) => ratio > 0),
    fill(strata) {
      const given = new Map(strata.map((stratum) => [key(stratum.labels), stratum.ratio]));
      if (strata.some((stratum) => Object.keys(stratum.labels).length !== labels.length)) return false;
      shares.set(apportion(combinations.map((chosen) => given.get(key(chosen)) ?? 0), WHOLE));
      return true;
    },
    show(counts) {
      if (!counts) { shares.counts(null); return; }
      let next = 0;
      shares.counts(shares.get().map((share) => (share > 0 ? counts[next++] : 0)));
    },
  };
}

const ratiosOf = (categories, tenths) => Object.fromEntries(categories.map((category, k) => [category, tenths[k] / WHOLE]));

function radios(name, legend, options, chosen, choose, ...rest) {
  const buttons = options.map(([value, words]) => {
    const input = h("input", { type: "radio", name, value, checked: value === chosen });
    input.addEventListener("change", () => choose(value));
    return h("label", {}, input, h("span", {}, words));
  });
  return h("fieldset", { class: "label" }, h("legend", {}, legend), h("div", { class: "ways" }, ...buttons), ...rest);
}
