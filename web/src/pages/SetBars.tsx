/** Changes as bars around zero. The numbers stand beside them for those who do not see them. */
import { number, percent } from "../format";
import type { Metric } from "../metrics";
import { Warnings } from "../parts";
import { type Comparison, mixturesOf } from "./Compare";

interface Change {
  relative: number;
  low: number;
  high: number;
}

/** A change with its interval; a decided one has the colour of its meaning. */
export function ChangeBar({ relative, low, high, reach, better, isDecided }: Change & { reach: number; better: string; isDecided: boolean }) {
  const width = 150;
  const place = (value: number) => width / 2 + (Math.max(-reach, Math.min(reach, value)) / reach) * (width / 2 - 4);
  const isBetter = relative > 0 === (better === "higher");
  const tone = isDecided ? (isBetter ? "var(--better)" : "var(--worse)") : "var(--neutral)";
  const [from, to] = [Math.min(place(0), place(relative)), Math.max(place(0), place(relative))];
  return (
    <svg class="interval" width={width} height="16" role="img" aria-label={`${percent(relative)}, ${percent(low)} to ${percent(high)}`}>
      <rect x={from} y="4" width={Math.max(1, to - from)} height="8" fill={tone} fill-opacity="0.35" />
      <path d={`M${width / 2} 0V16`} stroke="var(--axis)" />
      <path d={`M${place(low)} 8H${place(high)}`} stroke={tone} stroke-width="2" />
      <circle cx={place(relative)} cy="8" r="3.5" fill={tone} />
    </svg>
  );
}

/** Several sets against one base: the geometric mean of a metric's change over the pairs of each. */
export function SetBars({ comparisons, metric, base }: { comparisons: readonly Comparison[]; metric: Metric; base: string }) {
  const rows = comparisons.map((comparison) => ({ head: comparison.comparison.head, counts: comparison.counts, overall: comparison.summary?.metrics.find((found) => found.metric === metric.metric) }));
  const reach = Math.max(0.01, ...rows.flatMap(({ overall }) => (overall ? [Math.abs(overall.low), Math.abs(overall.high)].filter(Number.isFinite) : [])));
  const isDecided = ({ low, high }: Change) => low > 0 || high < 0;
  return (
    <>
      <h2>
        {metric.title.split(",")[0]} against {base}
      </h2>
      <div class="scroll" tabIndex={0} role="region" aria-label={`Sets against ${base}`}>
        <table>
          <thead>
            <tr>
              <th scope="col">Set</th>
              <th scope="col" class="number">Change</th>
              <th scope="col">95 % interval</th>
              <th scope="col">Bar</th>
              <th scope="col" class="number">Pairs</th>
              <th scope="col" class="number">Better</th>
              <th scope="col" class="number">Worse</th>
            </tr>
          </thead>
          <tbody>
            {rows.map(({ head, counts, overall }) => (
              <tr key={head}>
                <th scope="row">{head}</th>
                <td class="number">{percent(overall?.relative)}</td>
                <td>{overall ? `${percent(overall.low)} to ${percent(overall.high)}` : "–"}</td>
                <td>{overall && <ChangeBar {...overall} reach={reach} better={metric.better ?? "higher"} isDecided={isDecided(overall)} />}</td>
                <td class="number">{overall?.pairs ?? 0}</td>
                <td class="number">{number(counts["better"] ?? 0)}</td>
                <td class="number">{number(counts["worse"] ?? 0)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <Warnings texts={[...new Set(comparisons.flatMap((comparison) => mixturesOf(comparison, metric)))]} />
      <p class="muted">The geometric mean over the pairs that each set has with {base}; sets with other pairs are means of other points.</p>
    </>
  );
}
