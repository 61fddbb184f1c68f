// Shares in tenths of a percent that always sum to 100 %, as sliders and as numbers.
import { count, h } from "./words.js";

export const WHOLE = 1000;

/** Whole tenths in proportion to `weights` that add up to `total`; ties go to the first. */
export function apportion(weights, total) {
  const sum = weights.reduce((a, b) => a + b, 0);
  const exact = weights.map((weight) => (sum ? (weight * total) / sum : total / weights.length));
  const whole = exact.map((x) => Math.floor(x + 1e-9));
  const order = exact.map((_, k) => k).sort((a, b) => (exact[b] - whole[b]) - (exact[a] - whole[a]) || a - b);
  for (let left = total - whole.reduce((a, b) => a + b, 0), k = 0; left > 0; left -= 1, k += 1) whole[order[k]] += 1;
  return whole;
}

/**
 * `tenths` with share k set to `value`. What the others have to give or take comes from those that nobody has set yet,
 * and only then from those set, the oldest first: `touched` are their places, oldest first.
 */
export function rebalance(tenths, k, value, touched = []) {
  const others = tenths.map((_, place) => place).filter((place) => place !== k);
  const kept = touched.filter((place) => place !== k);
  const pool = () => others.filter((place) => !kept.includes(place));
  const rest = () => WHOLE - value - kept.reduce((sum, place) => sum + tenths[place], 0);
  while (kept.length && (rest() < 0 || !pool().length)) kept.shift();
  const changed = [...tenths];
  changed[k] = value;
  const places = pool();
  apportion(places.map((place) => tenths[place]), rest()).forEach((share, n) => { changed[places[n]] = share; });
  return changed;
}

/**
 * Rows of a slider, a number and a count for `items` ({words, about}) into `box`; `changed()` is called when somebody moves one.
 * Returns {get, set, counts}: the tenths, a way to set them, and a way to show how many stays each comes to.
 */
export function sharesIn(box, items, { tenths, changed }) {
  let now = [...tenths];
  let touched = [];
  const rows = items.map(({ words, about }, k) => {
    const name = about ? `${about} ${words}` : words;
    const range = h("input", { type: "range", min: 0, max: 100, step: 1, "aria-label": `Share of ${name}` });
    const number = h("input", { type: "number", min: 0, max: 100, step: 0.1, inputmode: "decimal", "aria-label": `Share of ${name} in percent` });
    const stays = h("span", { class: "number stays" });
    range.addEventListener("input", () => move(k, Math.round(Number(range.value) * 10)));
    number.addEventListener("change", () => move(k, Math.round(Math.min(100, Math.max(0, Number(number.value) || 0)) * 10)));
    box.append(h("div", { class: "share" }, h("bdi", { class: "name" }, words), range, h("span", { class: "unit" }, number, " %"), stays));
    return { range, number, stays };
  });
  function move(k, value) {
    now = rebalance(now, k, value, touched);
    touched = [...touched.filter((place) => place !== k), k];
    show();
    changed();
  }
  function show() {
    rows.forEach(({ range, number }, k) => {
      range.value = now[k] / 10;
      range.setAttribute("aria-valuetext", `${now[k] / 10} percent`);
      number.value = now[k] / 10;
    });
  }
  show();
  return {
    get: () => [...now],
    set(other) { now = [...other]; touched = []; show(); },
    counts(counts, { isAbout = false } = {}) {
      rows.forEach(({ stays }, k) => { stays.textContent = counts ? `${isAbout ? "about " : ""}${count(counts[k])}` : ""; });
    },
  };
}
