// A cohort's CSV as stays with their values in order of time.

/** The rows of a CSV (RFC 4180), each an object by the names of the first row; empty fields are null. */
export function parseCsv(text) {
  const rows = [];
  let row = [], field = "", isQuoted = false;
  for (let k = 0; k < text.length; k += 1) {
    const c = text[k];
    if (isQuoted) {
      if (c !== '"') field += c;
      else if (text[k + 1] === '"') { field += '"'; k += 1; }
      else isQuoted = false;
    } else if (c === '"') isQuoted = true;
    else if (c === ",") { row.push(field); field = ""; }
    else if (c === "\n") { row.push(field); rows.push(row); row = []; field = ""; }
    else if (c !== "\r") field += c;
  }
  if (field || row.length) rows.push([...row, field]);
  const [names, ...values] = rows;
  return values.map((cells) => Object.fromEntries(names.map((name, k) => [name, cells[k] === "" || cells[k] === undefined ? null : cells[k]])));
}

/** The stays of a table by its schema: [{labels, rows}], rows in the order of the file, which is that of time. */
export function staysOf(rows, schema) {
  const stays = new Map();
  for (const row of rows) {
    if (!stays.has(row[schema.stay_id])) stays.set(row[schema.stay_id], { labels: labelsOf(row, schema), rows: [] });
    stays.get(row[schema.stay_id]).rows.push(row);
  }
  return [...stays.values()];
}

const labelsOf = (row, schema) => schema.labels.map(({ name }) => ({ name, category: row[name] }));
