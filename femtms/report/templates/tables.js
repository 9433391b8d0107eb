// --- tables ------------------------------------------------------------------------------------------------------

function keyOf(row, column) {
  const cell = row.cells[column];
  if (cell.dataset.value === undefined) return cell.textContent;
  return cell.dataset.value === "" ? null : Number(cell.dataset.value);
}

function makeSortable(table) {
  const body = table.tBodies[0];
  const headings = [...table.tHead.rows[0].cells];
  const sortBy = (column) => {
    const heading = headings[column];
    const sign = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    headings.forEach((other) => other.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
    const rows = [...body.rows];
    rows.sort((one, other) => {
      const a = keyOf(one, column), b = keyOf(other, column);
      if (a === null || b === null) return (a === null) - (b === null);  // what is not known comes last
      return sign * (typeof a === "number" ? a - b : a.localeCompare(b, undefined, { numeric: true }));
    });
    body.append(...rows);
  };
  headings.forEach((heading, column) => heading.firstElementChild.addEventListener("click", () => sortBy(column)));
}
document.querySelectorAll("table.sortable").forEach(makeSortable);
