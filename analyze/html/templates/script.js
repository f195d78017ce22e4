
// Sorts and filters tables. It only moves and hides rows that are there: no text is ever read as HTML or as code.
"use strict";
(() => {
  const UNKNOWN = "–";

  // What a cell is compared by: its exact value, or its text. NULL, as what is unknown, stays last either way.
  const key = (cell) => {
    const text = cell.dataset.v ?? cell.textContent;
    return text === UNKNOWN ? null : text;
  };

  const compare = (numeric) => (a, b) =>
    numeric ? Number(a.key) - Number(b.key) : a.key.localeCompare(b.key, "en", { numeric: true });

  const sort = (table, heads, column) => {
    const head = heads[column];
    const numeric = head.classList.contains("n") || head.classList.contains("t");
    const was = head.getAttribute("aria-sort");
    const down = was ? was === "ascending" : numeric;
    const body = table.tBodies[0];
    const rows = Array.from(body.rows, (row) => ({ row, key: key(row.cells[column]) }));
    const known = rows.filter((r) => r.key !== null).sort(compare(numeric));
    if (down) known.reverse();
    body.append(...known.map((r) => r.row), ...rows.filter((r) => r.key === null).map((r) => r.row));
    heads.forEach((h) => h.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
  };

  const makeSortable = (table) => {
    const heads = Array.from(table.tHead.rows[0].cells);
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      button.addEventListener("click", () => sort(table, heads, column));
      head.append(button);
    });
  };

  const makeFilter = (table) => {
    const rows = Array.from(table.tBodies[0].rows);
    const label = document.createElement("label");
    const input = document.createElement("input");
    const count = document.createElement("output");
    label.className = "filter";
    input.type = "search";
    input.autocomplete = "off";
    label.append("Filter ", input, count);
    input.addEventListener("input", () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let kept = 0;
      for (const row of rows) {
        const text = Array.from(row.cells, (c) => c.textContent).join(" ").toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
        kept += !row.hidden;
      }
      count.textContent = words.length ? `${kept} of ${rows.length} rows` : "";
    });
    table.parentElement.before(label);
  };

  for (const table of document.querySelectorAll("table.sortable")) {
    makeSortable(table);
    if (table.tBodies[0].rows.length > 8) makeFilter(table);
  }
})();
