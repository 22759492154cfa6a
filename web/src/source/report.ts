/** The report's own text, which the document has without scripts. It is taken out before the pages are drawn, and shown by the page of the report. */

export const REPORT: HTMLElement | null = document.getElementById("report");

/** Makes the columns of the report's tables sort by their headings. */
export function makeSortable(tables: Iterable<HTMLTableElement>): void {
  for (const table of tables) {
    for (const header of table.querySelectorAll<HTMLTableCellElement>("thead th")) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...header.childNodes);
      button.addEventListener("click", () => sortBy(table, header));
      header.append(button);
    }
  }
}

/** The number of a cell by its value, without the change that stands before it; a dash is behind all numbers. */
function valueOf(cell: HTMLTableCellElement | undefined): number | string {
  if (!cell) return "";
  const own = [...cell.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE).map((node) => node.textContent).join("").trim();
  const text = own || (cell.textContent ?? "").trim();
  const number = Number(text.replaceAll(",", "").replace("−", "-"));
  return cell.classList.contains("number") && text !== "" && !Number.isNaN(number) ? number : text;
}

function sortBy(table: HTMLTableElement, header: HTMLTableCellElement): void {
  const isDescending = header.getAttribute("aria-sort") === "ascending";
  const sign = isDescending ? -1 : 1;
  const body = table.tBodies[0];
  if (!body) return;
  const rows = [...body.rows].map((row) => ({ row, value: valueOf(row.cells[header.cellIndex]) }));
  rows.sort((one, other) => {
    if (typeof one.value === "number" && typeof other.value === "number") return sign * (one.value - other.value);
    if (typeof one.value !== typeof other.value) return typeof one.value === "number" ? -1 : 1;
    return sign * String(one.value).localeCompare(String(other.value), "en", { numeric: true });
  });
  for (const { row } of rows) body.append(row);
  for (const other of table.querySelectorAll("th")) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", isDescending ? "descending" : "ascending");
}
