/** Two sets of points side by side: exact pairs with their certainty, and what has no pair. */
import { useAddress } from "../address";
import { type Page, query as queryOf, read, useLoaded, valueOf } from "../api";
import { DataTable } from "../DataTable";
import { type CurveKey, DIMENSIONS, pointOfKey } from "../dimensions";
import { count, number, percent } from "../format";
import { COMPARED, type Metric, metricById } from "../metrics";
import { Card, MetricSelect, Ready, Select, TextField, Verdict } from "../parts";
import type { FacetRow } from "../models";
import { DESCRIPTION } from "../source/source";

interface MetricChange {
  metric: string;
  statistic: string;
  base: number;
  head: number;
  relative: number;
  low: number;
  high: number;
  q: number;
  verdict: string;
}

interface ComparedPoint {
  point: { curve: CurveKey; conc: number };
  verdict: string;
  changes: MetricChange[];
}

interface Unpaired {
  point: string;
  reason: string;
  only_in: string;
}

interface Comparison {
  counts: Record<string, number>;
  comparison: { base: string; head: string; points: ComparedPoint[] };
  unpaired: Unpaired[];
}

export interface RunRow {
  id: number;
  branch: string | null;
  commit: string;
  kind: string;
  started: string;
  points: number;
  measured: number;
}

const DEFAULT_METRIC = "throughput-per-gpu";
const VERDICTS = ["worse", "better", "unsure", "same", "new", "missing", "failed"];

export function Compare() {
  const { query } = useAddress();
  const runs = useLoaded("runs", async () => (await read<Page<RunRow>>("/api/v1/runs?limit=50")).data);
  const facets = useLoaded("facets", async () => (await read<Page<FacetRow>>("/api/v1/facets")).data);
  const known = valueOf(runs) ?? [];
  const base = query.get("base") ?? DESCRIPTION.compared?.base ?? (known[1] ? `run:${known[1].id}` : "");
  const head = query.get("head") ?? DESCRIPTION.compared?.head ?? (known[0] ? `run:${known[0].id}` : "");
  const path = `/api/v1/compare${queryOf([["base", base], ["head", head], ["branch", query.get("branch")], ["as_of", query.get("as_of")], ["filter", query.get("model") ? `model=${query.get("model")}` : null]])}`;
  const loaded = useLoaded(base && head ? path : null, () => read<Comparison>(path));
  const metric = metricById(query.get("metric") ?? DEFAULT_METRIC) ?? COMPARED[0];
  const names = (valueOf(facets) ?? []).flatMap(({ dimension, value }) => (dimension === "hardware" ? [`hardware:${value}`] : dimension === "framework" ? [`engine:${value}`] : []));
  return (
    <div class="content alone">
      <h1>Compare</h1>
      <datalist id="sets">
        {known.map((run) => (
          <option key={run.id} value={`run:${run.id}`}>{`${run.started.slice(0, 10)} ${run.branch ?? ""} ${run.commit.slice(0, 10)}`}</option>
        ))}
        {names.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
      <div class="controls wide">
        <TextField label="Base" name="base" fallback={base} list="sets" placeholder="run:1, image:…, branch:main" />
        <TextField label="Head" name="head" fallback={head} list="sets" placeholder="hardware:h200, engine:vllm" />
        <MetricSelect label="Metric" name="metric" metrics={COMPARED.filter((known) => ["throughput-per-gpu", "interactivity", "ttft", "tpot", "e2el"].includes(known.metric ?? ""))} fallback={DEFAULT_METRIC} by="metric" />
        <Select label="Show" name="verdict" options={[{ value: "", title: "all verdicts" }, ...VERDICTS.map((value) => ({ value, title: value }))]} fallback="" />
      </div>
      <p class="muted">A set is run:NUMBER, commit:NAME, release:COMMIT, image:NAME, branch:NAME, hardware:LABEL or engine:NAME.</p>
      {runs.state === "ready" && known.length < 2 && !base && <p class="empty">This history has fewer than two runs.</p>}
      {base && head && metric && <Ready of={loaded}>{(comparison) => <Result comparison={comparison} metric={metric} verdict={query.get("verdict") ?? ""} />}</Ready>}
    </div>
  );
}

function Result({ comparison, metric, verdict }: { comparison: Comparison; metric: Metric; verdict: string }) {
  const { points, base, head } = comparison.comparison;
  const rows = points
    .filter((point) => verdict === "" || point.verdict === verdict)
    .map((point) => ({ ...point, change: point.changes.find((change) => change.metric === metric.metric) }))
    .filter((row) => row.change !== undefined);
  const reach = Math.max(0.01, ...rows.flatMap(({ change }) => (change ? [Math.abs(change.low), Math.abs(change.high)].filter(Number.isFinite) : [])));
  const paired = points.filter((point) => point.changes.length > 0).length;
  return (
    <>
      <div class="cards">
        {VERDICTS.filter((name) => (comparison.counts[name] ?? 0) > 0).map((name) => (
          <Card key={name} title={name} value={comparison.counts[name] ?? 0} tone={name} />
        ))}
      </div>
      <p>
        <strong>{head}</strong> against <strong>{base}</strong>: {count(paired, "pair")} of equal points, {comparison.counts["worse"] ?? 0} worse, {comparison.counts["better"] ?? 0} better, {comparison.counts["unsure"] ?? 0} unsure. A point is worse if any compared metric is; the bar is the change of the chosen one with its 95 % interval.
      </p>
      <DataTable
        name={`${head} against ${base}`}
        rows={rows}
        order={metric.better === "lower" ? "-relative" : "relative"}
        notes={[`${metric.title}: ${metric.formula}`]}
        columns={[
          { key: "point", title: "Point", value: (row) => row.verdict, show: (row) => <Verdict verdict={row.verdict} /> },
          { key: "metric", title: metric.title.split(",")[0] ?? metric.title, value: (row) => row.change?.verdict ?? null, show: (row) => row.change && <Verdict verdict={row.change.verdict} /> },
          ...DIMENSIONS.slice(0, 6).map((dimension) => ({ key: dimension.key, title: dimension.title, value: (row: ComparedPoint) => dimension.of(pointOfKey(row.point.curve)) })),
          { key: "conc", title: "Conc", isNumber: true, value: (row) => row.point.conc },
          { key: "base", title: `Base (${metric.unit})`, isNumber: true, value: (row) => (row.change?.base ?? 0) * metric.scale, show: (row) => number((row.change?.base ?? NaN) * metric.scale) },
          { key: "head", title: `Head (${metric.unit})`, isNumber: true, value: (row) => (row.change?.head ?? 0) * metric.scale, show: (row) => number((row.change?.head ?? NaN) * metric.scale) },
          { key: "relative", title: "Change", isNumber: true, value: (row) => row.change?.relative ?? null, show: (row) => percent(row.change?.relative) },
          { key: "interval", title: "Interval", value: (row) => (row.change ? `${percent(row.change.low)} to ${percent(row.change.high)}` : null), show: (row) => row.change && <Interval change={row.change} reach={reach} better={metric.better ?? "higher"} /> },
        ]}
      />
      <h2>Without a pair</h2>
      {comparison.unpaired.length === 0 ? (
        <p class="muted">Every point has a pair.</p>
      ) : (
        <DataTable
          name="Points without a pair"
          rows={comparison.unpaired}
          orderKey="unpaired"
          columns={[
            { key: "point", title: "Point", value: (row) => row.point },
            { key: "side", title: "Only in", value: (row) => row.only_in },
            { key: "reason", title: "Reason", isLong: true, value: (row) => row.reason },
          ]}
        />
      )}
    </>
  );
}

/** The change and its interval around zero; the numbers stand beside it for those who do not see it. */
function Interval({ change, reach, better }: { change: MetricChange; reach: number; better: string }) {
  const width = 150;
  const place = (value: number) => width / 2 + (Math.max(-reach, Math.min(reach, value)) / reach) * (width / 2 - 4);
  const isBetter = change.relative > 0 === (better === "higher");
  const tone = change.verdict === "better" || change.verdict === "worse" ? (isBetter ? "var(--better)" : "var(--worse)") : "var(--neutral)";
  return (
    <svg class="interval" width={width} height="16" role="img" aria-label={`${percent(change.low)} to ${percent(change.high)}`}>
      <path d={`M${width / 2} 0V16`} stroke="var(--axis)" />
      <path d={`M${place(change.low)} 8H${place(change.high)}`} stroke={tone} stroke-width="2" />
      <circle cx={place(change.relative)} cy="8" r="3.5" fill={tone} />
    </svg>
  );
}

