/** Trends of several points together: a geometric mean over common points, or curves at equal interactivity. */
import { useAddress } from "../address";
import { type Page, query as queryOf, read, useLoaded } from "../api";
import { Chart } from "../chart/Chart";
import { DataTable } from "../DataTable";
import { day, number, percent } from "../format";
import { type Metric, metricById, titleWithUnit } from "../metrics";
import { Ready, Verdict, Warnings } from "../parts";
import { Explanation } from "./Explanation";
import { mixturesOf, trendChart } from "./trendChart";
import type { Change, Level, Value } from "./Trends";

type GroupChange = Pick<Change, "verdict" | "relative" | "before" | "now" | "annotations" | "good" | "bad" | "compare_url" | "low" | "high" | "run"> & { after_run: number };

interface GroupSeries {
  series: string;
  metric: string;
  values: Value[];
  levels: Level[];
  changes: GroupChange[];
}

interface Props {
  filters: readonly [string, string | null][];
  metric: Metric;
  /** The interactivity; `null` for the geometric mean. */
  at: string | null;
  by: string;
  words: readonly string[];
}

const SHOWN = 12;
const GAPS: Record<string, string> = { incomplete: "lacks common points", unreachable: "does not reach the interactivity", "below-measured": "is measured above the interactivity only" };

export function Grouped({ filters, metric: chosen, at, by, words }: Props) {
  const { query } = useAddress();
  const path = `/api/v1/trends${queryOf([...filters, ["metric", at === null ? chosen.metric : null], ["at", at], ["as_of", query.get("as_of")]])}`;
  const loaded = useLoaded(path, async () => (await read<Page<GroupSeries>>(path)).data);
  // Curves are read in throughput, whatever metric points are shown in.
  const metric = at === null ? chosen : (metricById("throughput-per-gpu") ?? chosen);
  return (
    <Ready of={loaded}>
      {(all) => {
        const found = all.filter(({ series }) => words.every((word) => series.toLowerCase().includes(word)));
        const order = [...found].sort((one, other) => other.changes.length - one.changes.length || other.values.length - one.values.length);
        return (
          <>
            <p class="muted">
              {at === null ? `The geometric mean of each run over the points that at least nine of ten runs measured.` : `The throughput of each run's frontier at ${at} tok/s/user, on straight lines between measured points; the interval is that of the two points.`} {titleWithUnit(metric)}: {metric.formula}.
            </p>
            {order.length === 0 && <p class="empty">No curve is found.</p>}
            <div class="smalls">
              {order.slice(0, SHOWN).map((series) => (
                <div key={series.series}>
                  <h2>{series.series}</h2>
                  <Chart model={trendChart({ name: `${series.series}${at === null ? ", geometric mean" : ` at ${at} tok/s/user`}`, values: series.values, levels: series.levels }, metric, by)} height={230} isSmall />
                  <Warnings texts={mixturesOf(series.values, metric)} />
                  <Gaps values={series.values} />
                </div>
              ))}
            </div>
            {order.length > SHOWN && <p class="muted">{order.length - SHOWN} more curves: search for words of their names.</p>}
            <h2>Changes</h2>
            <Changes rows={order.flatMap((series) => series.changes.map((change) => ({ ...change, series: series.series })))} metric={metric} />
          </>
        );
      }}
    </Ready>
  );
}

/** How many runs have no value, and why. */
function Gaps({ values }: { values: readonly Value[] }) {
  const counts = new Map<string, number>();
  for (const { value, reading } of values) if (value === null && reading !== undefined) counts.set(reading, (counts.get(reading) ?? 0) + 1);
  if (counts.size === 0) return null;
  return <p class="muted">Gaps: {[...counts].map(([reading, runs]) => `${runs} of ${values.length} runs ${GAPS[reading] ?? reading}`).join("; ")}.</p>;
}

function Changes({ rows, metric }: { rows: (GroupChange & { series: string })[]; metric: Metric }) {
  if (rows.length === 0) return <p class="muted">No change of level is known.</p>;
  return (
    <DataTable
      name="Changes of level"
      rows={rows}
      order="-at"
      columns={[
        { key: "verdict", title: "Verdict", value: (row) => row.verdict, show: (row) => <Verdict verdict={row.verdict} /> },
        { key: "at", title: "Between", value: (row) => row.bad?.date ?? null, show: (row) => `${day(row.good?.date)} and ${day(row.bad?.date)}` },
        { key: "series", title: "Curve", value: (row) => row.series },
        { key: "relative", title: "Change", isNumber: true, value: (row) => row.relative, show: (row) => percent(row.relative) },
        { key: "interval", title: "95 % interval", value: (row) => (row.low == null ? null : `${percent(row.low)} to ${percent(row.high)}`) },
        { key: "before", title: "Before", isNumber: true, value: (row) => row.before * metric.scale, show: (row) => number(row.before * metric.scale) },
        { key: "now", title: "Since", isNumber: true, value: (row) => row.now * metric.scale, show: (row) => number(row.now * metric.scale) },
        { key: "notes", title: "Explained by", isLong: true, value: (row) => row.annotations.map((note) => note.text ?? "").join("; "), show: (row) => <Explanation change={row} /> },
      ]}
    />
  );
}
