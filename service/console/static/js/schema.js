// An inferred schema as a table that can be edited, and the schema that the table then says.
import { h, percent } from "./words.js";

const ROLES = { label: "label", numerical: "number", categorical: "category", static_numerical: "number, constant", static_categorical: "category, constant", unused: "not used" };

const roleOf = (feature) => (feature.static ? `static_${feature.type}` : feature.type);
const input = (attributes) => h("input", attributes);

function cell(name, child) {
  return h("td", { "data-name": name }, child ?? "–");
}

/** One row for a column: `column` is a feature or a label of the schema. */
function row(column, role, { missing, index }) {
  const id = (name) => `column-${index}-${name}`;
  const labelled = (name) => ({ id: id(name), "data-field": name, "aria-label": `${name} of ${column.name}` });
  const select = h("select", labelled("is a"), ...Object.entries(ROLES).map(([value, words]) => h("option", { value, selected: value === role }, words)));
  const numbers = (name, value) => input({ ...labelled(name), type: "number", step: "any", value: value ?? "" });
  return h("tr", { "data-column": column.name, "data-pointer": role === "label" ? "" : "" },
    h("th", { scope: "row" }, h("bdi", {}, column.name)),
    cell("is a", select),
    cell("unit", input({ ...labelled("unit"), type: "text", size: 8, value: column.unit ?? "" })),
    cell("at least", numbers("min", column.min)),
    cell("at most", numbers("max", column.max)),
    cell("categories", input({ ...labelled("categories"), type: "text", value: (column.categories ?? []).join(", ") })),
    cell("missing", missing === undefined ? "–" : percent(missing)));
}

/** Show the columns of `schema` in the body of `table`. */
export function fill(table, { schema, missing_rate }) {
  const columns = [...schema.features.map((feature) => [feature, roleOf(feature)]), ...schema.labels.map((label) => [label, "label"])];
  const rows = columns.map(([column, role], index) => row(column, role, { missing: missing_rate[column.name], index }));
  table.tBodies[0].replaceChildren(...rows);
  for (const line of rows) {
    const adapt = () => adaptTo(line);
    line.querySelector("select").addEventListener("change", adapt);
    adapt();
  }
}

/** Fields that say nothing for the role of a column cannot be filled in. */
function adaptTo(line) {
  const role = line.querySelector("select").value;
  const isNumber = role.endsWith("numerical");
  for (const name of ["unit", "min", "max"]) line.querySelector(`[data-field=${name}]`).disabled = !isNumber;
  line.querySelector("[data-field=categories]").disabled = isNumber || role === "unused";
}

/** The schema that the table says, from `schema` as it was inferred. */
export function read(table, schema) {
  const lines = [...table.tBodies[0].rows];
  const roles = new Map(lines.map((line) => [line.dataset.column, line.querySelector("select").value]));
  const features = lines.filter((line) => !["label", "unused"].includes(roles.get(line.dataset.column))).map(featureOf);
  const labels = lines.filter((line) => roles.get(line.dataset.column) === "label").map((line) => ({ name: line.dataset.column, categories: categoriesOf(line) }));
  const numerical = new Set(features.filter(({ type }) => type === "numerical").map(({ name }) => name));
  const rules = schema.rules.filter((rule) => rule.split(/\s*(?:<=|>=|<|>)\s*/).every((name) => numerical.has(name)));
  return { ...schema, features, labels, rules };
}

const textOf = (line, name) => line.querySelector(`[data-field=${name}]`).value.trim();
const numberOf = (line, name) => (textOf(line, name) === "" ? null : Number(textOf(line, name)));
const categoriesOf = (line) => textOf(line, "categories").split(",").map((part) => part.trim()).filter(Boolean);

function featureOf(line) {
  const role = line.querySelector("select").value;
  const common = { name: line.dataset.column, static: role.startsWith("static_") };
  if (role.endsWith("categorical")) return { type: "categorical", ...common, categories: categoriesOf(line) };
  return { type: "numerical", ...common, unit: textOf(line, "unit") || null, min: numberOf(line, "min"), max: numberOf(line, "max") };
}
