/** What differs in the settings of pairs, beside the changes of their metrics. */
import { count, percent } from "../format";
import { metricById, type Metric } from "../metrics";

export interface Difference {
  name: string;
  base: string | null;
  head: string | null;
}

export interface DifferenceGroup {
  differences: Difference[];
  pairs: number;
  relative: Record<string, number>;
}

/** Groups that are shown at first; the API has all. */
const SHOWN = 12;

export function Configuration({ groups, metric }: { groups: readonly DifferenceGroup[]; metric: Metric }) {
  if (groups.length === 0) return null;
  return (
    <>
      <h2>What differs in their settings</h2>
      <div class="threads">
        {groups.slice(0, SHOWN).map((group, index) => (
          <section class="thread" key={index} aria-label={`Settings that differ in ${count(group.pairs, "pair")}`}>
            <p>
              <strong>{count(group.pairs, "pair")}</strong>: {deltas(group, metric)}
            </p>
            {group.differences.length === 0 ? <p class="muted">No known setting differs.</p> : <Differences rows={group.differences} />}
          </section>
        ))}
      </div>
      {groups.length > SHOWN && <p class="muted">{groups.length - SHOWN} more groups of pairs; the API has all.</p>}
    </>
  );
}

function deltas(group: DifferenceGroup, metric: Metric): string {
  const chosen = metric.metric ?? "";
  const order = Object.keys(group.relative).sort((one, other) => Number(other === chosen) - Number(one === chosen));
  const texts = order.map((name) => `${metricById(name)?.title.split(",")[0] ?? name} ${percent(group.relative[name])}`);
  return texts.length === 0 ? "no metric in common" : texts.join(", ");
}

export function Differences({ rows }: { rows: readonly Difference[] }) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Settings that differ">
      <table class="diff">
        <thead>
          <tr>
            <th scope="col">Setting</th>
            <th scope="col">Base</th>
            <th scope="col">Head</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ name, base, head }) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td>{base === null ? <span class="muted">absent</span> : <del>{base || "set"}</del>}</td>
              <td>{head === null ? <span class="muted">absent</span> : <ins>{head || "set"}</ins>}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
