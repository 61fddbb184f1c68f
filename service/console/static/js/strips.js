// Stays as small multiples: a card each, in it a strip per feature, on one scale for all stays. Gaps are missing values.
import { h } from "./words.js";

const WIDTH = 120, HEIGHT = 26, PAD = 3, MAX_FEATURES = 8;
const SVG = "http://www.w3.org/2000/svg";

/** Draw `stays` (see table.js) into `box`; returns how many features were left out. */
export function drawStays(box, stays, schema) {
  const ranked = [...schema.features].sort((a, b) => (a.type === "numerical" ? 0 : 1) - (b.type === "numerical" ? 0 : 1));
  const shown = ranked.slice(0, MAX_FEATURES);
  const scales = new Map(shown.map((feature) => [feature.name, scaleOf(feature, stays)]));
  const steps = Math.max(2, ...stays.map((stay) => stay.rows.length));
  box.replaceChildren(...stays.map((stay, k) => card(stay, k + 1, shown, scales, steps, schema)));
  return schema.features.length - shown.length;
}

function card(stay, number, features, scales, steps, schema) {
  const tags = stay.labels.map(({ name, category }, k) => {
    const place = schema.labels[k].categories.indexOf(category) % 4;
    return h("span", { class: `tag label c${k === 0 ? place : "n"}` }, h("bdi", {}, `${name} ${category}`));
  });
  const rows = features.map((feature) => {
    const values = stay.rows.map((row) => row[feature.name]);
    return h("div", { class: "strip" }, h("bdi", { class: "name", title: feature.name }, feature.name), drawing(feature, values, scales.get(feature.name), steps, number), h("span", { class: "number" }, told(feature, values)));
  });
  return h("article", { class: "stay", "aria-label": `Stay ${number}` }, h("h3", {}, `Stay ${number}`), h("p", { class: "tags" }, ...tags), ...rows);
}

const numbers = (values) => values.filter((value) => value !== null).map(Number);
const rounded = (x) => String(Number(x.toPrecision(3)));

function scaleOf(feature, stays) {
  if (feature.type === "categorical") return null;
  const all = numbers(stays.flatMap((stay) => stay.rows.map((row) => row[feature.name])));
  const low = Math.min(...all), high = Math.max(...all);
  return { low, spread: high - low || 1 };
}

/** The range of a strip's values, or its categories, in few words. */
function told(feature, values) {
  const present = values.filter((value) => value !== null);
  if (!present.length) return "–";
  if (feature.type === "categorical") return [...new Set(present)].slice(0, 2).join("/");
  const found = numbers(values);
  const low = rounded(Math.min(...found)), high = rounded(Math.max(...found));
  return low === high ? low : `${low}–${high}`;
}

function drawing(feature, values, scale, steps, number) {
  const missing = values.filter((value) => value === null).length;
  const gaps = missing ? `, ${missing} of ${values.length} missing` : "";
  const words = `${feature.name} of stay ${number}: ${told(feature, values)}${feature.unit ? ` ${feature.unit}` : ""}${gaps}`;
  const svg = make("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": words });
  const x = (step) => (step * WIDTH) / steps;
  if (scale === null) {
    values.forEach((value, step) => {
      if (value !== null) svg.append(make("rect", { class: `band c${feature.categories.indexOf(value) % 4}`, x: x(step), y: 8, width: WIDTH / steps + 0.3, height: 10 }));
    });
    return svg;
  }
  const y = (value) => HEIGHT - PAD - ((Number(value) - scale.low) / scale.spread) * (HEIGHT - 2 * PAD);
  const place = (step) => `${(x(step) + WIDTH / steps / 2).toFixed(1)} ${y(values[step]).toFixed(1)}`;
  let lines = "", dots = "";
  values.forEach((value, step) => {
    if (value === null) return;
    const isAfter = step > 0 && values[step - 1] !== null, isBefore = step + 1 < values.length && values[step + 1] !== null;
    if (isAfter) lines += `L${place(step)}`;
    else if (isBefore) lines += `M${place(step)}`;
    else dots += `M${place(step)}h.01`;
  });
  if (lines) svg.append(make("path", { class: "curve", d: lines }));
  if (dots) svg.append(make("path", { class: "curve dot", d: dots }));
  return svg;
}

function make(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}
