/** The numbers of a chart as a table, made when it is opened. */
import { useState } from "preact/hooks";
import { number } from "../format";
import type { ChartModel } from "./model";

/** Rows that are shown; the CSV has all. */
const MOST_ROWS = 500;

export function ChartTable({ model }: { model: ChartModel }) {
  const [isOpen, open] = useState(false);
  const rows = isOpen ? model.series.flatMap((series) => series.marks.map((mark) => ({ series, mark }))) : [];
  const asText = (kind: string, value: number) => (kind === "time" ? new Date(value).toISOString().slice(0, 16).replace("T", " ") : number(value));
  return (
    <details class="charttable" onToggle={(event) => open(event.currentTarget.open)}>
      <summary>Table</summary>
      {isOpen && (
        <div class="scroll" tabIndex={0} role="region" aria-label={`Table of ${model.name}`}>
          <table>
            <thead>
              <tr>
                <th scope="col">Line</th>
                <th scope="col">Point</th>
                <th scope="col" class="number">
                  {model.x.title}
                </th>
                <th scope="col" class="number">
                  {model.y.title}
                </th>
              </tr>
            </thead>
            <tbody>
              {rows.slice(0, MOST_ROWS).map(({ series, mark }, index) => (
                <tr key={index}>
                  <td>{series.name}</td>
                  <td>{mark.href ? <a href={mark.href}>{mark.title}</a> : mark.title}</td>
                  <td class="number">{model.x.categories?.[mark.x] ?? asText(model.x.kind, mark.x)}</td>
                  <td class="number">
                    {number(mark.y)}
                    {series.isUnofficial && <strong class="worse-text"> not official</strong>}
                    {mark.warning !== undefined && <span class="worse-text"> {mark.warning}</span>}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
          {rows.length > MOST_ROWS && <p class="muted">The first {MOST_ROWS} of {rows.length}; the CSV has all.</p>}
        </div>
      )}
    </details>
  );
}
