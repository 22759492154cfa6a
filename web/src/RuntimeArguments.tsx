/** The arguments of engines side by side: one column for each deployment, and what differs is marked. */
import { useAddress } from "./address";
import { argumentsOf, type Deployed } from "./deployments";
import type { Dimension } from "./dimensions";
import { Switch } from "./parts";

/** More columns than this cannot be read beside each other. */
const MOST_COLUMNS = 6;

export function RuntimeArguments({ points, by }: { points: readonly Deployed[]; by: readonly Dimension[] }) {
  const { query } = useAddress();
  const columns = new Map<string, Map<string, string>>();
  for (const point of points) {
    const own = argumentsOf(point.runtime_args);
    if (point.router) own.push(["router", point.router]);
    if (own.length === 0) continue;
    const name = by.map((dimension) => dimension.of(point)).join(" · ");
    if (!columns.has(name)) columns.set(name, new Map(own));
  }
  if (columns.size === 0) return <p class="muted">None of these points says with which arguments its engine was started.</p>;
  const shown = [...columns].slice(0, MOST_COLUMNS);
  const names = [...new Set(shown.flatMap(([, own]) => [...own.keys()]))].sort();
  const rows = names.map((name) => ({ name, values: shown.map(([, own]) => own.get(name) ?? null) }));
  const isDifferent = (row: { values: (string | null)[] }) => new Set(row.values).size > 1;
  const chosen = query.get("differing") === "1" ? rows.filter(isDifferent) : rows;
  return (
    <>
      <div class="controls">
        <Switch label="Only what differs" name="differing" />
      </div>
      <div class="scroll" tabIndex={0} role="region" aria-label="Arguments of the engines">
        <table>
          <thead>
            <tr>
              <th scope="col">Argument</th>
              {shown.map(([name]) => (
                <th key={name} scope="col">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {chosen.map((row) => (
              <tr key={row.name} class={isDifferent(row) ? "differs" : undefined}>
                <th scope="row">
                  <code>{row.name}</code>
                  {isDifferent(row) && <span class="muted"> differs</span>}
                </th>
                {row.values.map((value, at) => (
                  <td key={at}>{value === null ? "–" : <code>{value}</code>}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {chosen.length === 0 && <p class="muted">Nothing differs.</p>}
      {columns.size > shown.length && <p class="muted">The first {shown.length} of {columns.size} deployments; filters choose others.</p>}
    </>
  );
}
