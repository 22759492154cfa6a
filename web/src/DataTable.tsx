/** A table that is sorted by its headings; the order is in the address. */
import { useState } from "preact/hooks";
import type { ComponentChildren } from "preact";
import { set, useAddress } from "./address";
import { csvOf } from "./csv";
import { save } from "./chart/files";

export interface Column<T> {
  key: string;
  title: string;
  /** What rows are sorted by, and what the CSV has. */
  value: (row: T) => string | number | null;
  show?: (row: T) => ComponentChildren;
  isNumber?: boolean;
  /** Whether its texts are sentences, which are broken into lines. */
  isLong?: boolean;
}

interface Props<T> {
  /** Its accessible name and the name of its file. */
  name: string;
  columns: readonly Column<T>[];
  rows: readonly T[];
  /** A column's key, with `-` in front for descending. */
  order?: string;
  /** The key of the order in the address. */
  orderKey?: string;
  notes?: string[];
  /** Rows at first. */
  page?: number;
}

/** Rows of one page: more make browsers slow. */
const PAGE = 100;

export function DataTable<T>({ name, columns, rows, order: usual = "", orderKey = "sort", notes = [], page = PAGE }: Props<T>) {
  const order = useAddress().query.get(orderKey) ?? usual;
  const [shown, show] = useState(page);
  const sorted = sort(rows, columns, order);
  const isKnown = order === "" || columns.some(({ key }) => order === key || order === `-${key}`);
  const sortBy = (key: string) => {
    const next = order === key ? `-${key}` : key;
    set({ [orderKey]: next === usual ? null : next }, true);
  };
  const csv = () => save(`${name}.csv`, "text/csv", csvOf(columns.map((column) => column.title), sorted.map((row) => columns.map((column) => column.value(row))), [name, location.href, ...notes]));
  const json = () => save(`${name}.json`, "application/json", `${JSON.stringify({ name, source: location.href, notes, data: sorted.map((row) => Object.fromEntries(columns.map((column) => [column.key, column.value(row)]))) }, null, 1)}\n`);
  return (
    <div class="datatable">
      <div class="scroll" tabIndex={0} role="region" aria-label={name}>
        <table>
          <thead>
            <tr>
              {columns.map((column) => (
                <th key={column.key} scope="col" class={column.isNumber ? "number" : undefined} aria-sort={order === column.key ? "ascending" : order === `-${column.key}` ? "descending" : undefined}>
                  <button type="button" onClick={() => sortBy(column.key)}>
                    {column.title}
                    <span class="arrow" aria-hidden="true">
                      {order === column.key ? "▲" : order === `-${column.key}` ? "▼" : ""}
                    </span>
                  </button>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {sorted.slice(0, shown).map((row, index) => (
              <tr key={index}>
                {columns.map((column) => (
                  <td key={column.key} class={column.isNumber ? "number" : column.isLong ? "long" : undefined}>
                    {column.show ? column.show(row) : (column.value(row) ?? "–")}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <div class="tools">
        <span class="muted">
          {Math.min(shown, rows.length)} of {rows.length} rows
        </span>
        {!isKnown && <span class="unknown">not sorted: unknown column {order.replace(/^-/, "")}</span>}
        {rows.length > shown && (
          <button type="button" onClick={() => show(shown + 5 * PAGE)}>
            More rows
          </button>
        )}
        <button type="button" onClick={csv}>
          CSV
        </button>
        <button type="button" onClick={json}>
          JSON
        </button>
      </div>
    </div>
  );
}

/** Rows without a value are last in both directions. */
function sort<T>(rows: readonly T[], columns: readonly Column<T>[], order: string): readonly T[] {
  const isDescending = order.startsWith("-");
  const column = columns.find(({ key }) => key === (isDescending ? order.slice(1) : order));
  if (!column) return rows;
  const sign = isDescending ? -1 : 1;
  return [...rows].sort((one, other) => {
    const [left, right] = [column.value(one), column.value(other)];
    if (left === null || right === null) return Number(left === null) - Number(right === null);
    if (typeof left === "number" && typeof right === "number") return sign * (left - right);
    return sign * String(left).localeCompare(String(right), "en", { numeric: true });
  });
}
