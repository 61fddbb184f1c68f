// The losses of a training as a curve, drawn anew with each that comes.
const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 640, HEIGHT = 180, LEFT = 52, BOTTOM = 26, TOP = 10, RIGHT = 12;

function part(name, attributes, text = "") {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.textContent = text;
  return element;
}

/** Draw `losses`, pairs of a step and its loss, into `figure`, which is hidden until there are two. */
export function drawLosses(figure, losses) {
  figure.hidden = losses.length < 2;
  if (figure.hidden) return;
  const values = losses.map(([, loss]) => Math.log(loss));
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const last = losses.at(-1)[0];
  const x = (step) => LEFT + (step / last) * (WIDTH - LEFT - RIGHT);
  const y = (value) => TOP + (1 - (value - low) / (high - low || 1)) * (HEIGHT - TOP - BOTTOM);
  const best = losses.reduce((least, pair) => (pair[1] < least[1] ? pair : least));
  const svg = part("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `Loss on stays that are not learned from: ${losses.at(-1)[1]} at step ${last}, at best ${best[1]} at step ${best[0]}` });
  svg.append(
    part("path", { class: "axis", d: `M${LEFT} ${TOP}V${HEIGHT - BOTTOM}H${WIDTH - RIGHT}` }),
    part("text", { x: LEFT - 6, y: y(high) + 4, class: "tick end" }, Math.exp(high).toPrecision(3)),
    part("text", { x: LEFT - 6, y: y(low) + 4, class: "tick end" }, Math.exp(low).toPrecision(3)),
    part("text", { x: WIDTH - RIGHT, y: HEIGHT - 6, class: "tick end" }, `step ${last.toLocaleString("en-US")}`),
    part("polyline", { class: "curve", points: losses.map(([step, loss]) => `${x(step).toFixed(1)},${y(Math.log(loss)).toFixed(1)}`).join(" ") }),
    part("circle", { class: "best", cx: x(best[0]), cy: y(Math.log(best[1])), r: 4 }));
  figure.querySelector(".plot").replaceChildren(svg);
}
