// Figures and times as a reader sees them; the same words as service/console/words.py.

const NARROW = "\u202f";


/** A number of things, in groups of three digits. */
export const count = (n) => Math.round(n).toLocaleString("en-US").replaceAll(",", NARROW);
export const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)}${NARROW}%`;

/** A length of time, in its largest units. */
export function duration(seconds) {
  if (seconds < 10) return `${seconds.toFixed(1)}${NARROW}s`;
  if (seconds < 60) return `${Math.round(seconds)}${NARROW}s`;
  const minutes = Math.round(seconds / 60);
  const hours = Math.floor(minutes / 60);
  return hours ? `${hours}${NARROW}h ${minutes % 60}${NARROW}min` : `${minutes}${NARROW}min`;
}

export function size(bytes) {
  const units = ["B", "kB", "MB", "GB"];
  let value = bytes, k = 0;
  while (value >= 1000 && k < units.length - 1) { value /= 1000; k += 1; }
  return `${k === 0 || value >= 10 ? value.toFixed(0) : value.toFixed(1)}${NARROW}${units[k]}`;
}

/** Show the times of `root` in the reader's zone, near ones as how long ago. */
export function localTimes(root = document) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(time.dateTime);
    if (Number.isNaN(moment.getTime())) continue;
    const exact = moment.toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
    const seconds = (Date.now() - moment) / 1000;
    time.title = exact;
    if (seconds < 0 || seconds >= 3600) time.textContent = exact;
    else time.textContent = seconds < 60 ? "just now" : `${Math.floor(seconds / 60)}${NARROW}min ago`;
  }
}

/** An element with attributes and children: h("td", {class: "number"}, "12"). Text is never read as HTML. */
export function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}
