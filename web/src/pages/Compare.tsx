/** Two or more sets of points side by side: exact pairs with their certainty, what differs in their settings, and what has no pair. */
import { set, useAddress } from "../address";
import { type Page, query as queryOf, read, useLoaded, valueOf } from "../api";
import { measuredBy, mixtures } from "../comparable";
import { DataTable } from "../DataTable";
import { type CurveKey, DIMENSIONS, pointOfKey } from "../dimensions";
import { count, number, percent } from "../format";
import { COMPARED, type Metric, metricById } from "../metrics";
import { Card, MetricSelect, Ready, Select, TextField, Verdict, Warnings } from "../parts";
import type { FacetRow } from "../models";
import { DESCRIPTION } from "../source/source";
import { Configuration, type Difference, type DifferenceGroup } from "./Configuration";
import { ChangeBar, SetBars } from "./SetBars";
import { type Summary, SummaryView } from "./Summary";

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

export interface Comparison {
  counts: Record<string, number>;
  /** Absent in answers of earlier versions. */
  summary?: Summary;
  configuration?: DifferenceGroup[];
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
  run_id?: string;
  attempt?: number;
  url?: string;
  pull_request?: number;
}

const DEFAULT_METRIC = "throughput-per-gpu";
/** Sets beside the first one: each is a comparison of its own. */
const MOST_FURTHER = 6;
const VERDICTS = ["worse", "better", "unsure", "same", "new", "missing", "failed"];

export function Compare() {
  const { query } = useAddress();
  const state = ["as_of", query.get("as_of")] as const;
  const runsPath = `/api/v1/runs${queryOf([state, ["limit", "50"]])}`;
  const runs = useLoaded(runsPath, async () => (await read<Page<RunRow>>(runsPath)).data);
  const facetsPath = `/api/v1/facets${queryOf([state])}`;
  const facets = useLoaded(facetsPath, async () => (await read<Page<FacetRow>>(facetsPath)).data);
  const known = valueOf(runs) ?? [];
  const base = query.get("base") ?? DESCRIPTION.compared?.base ?? (known[1] ? `run:${known[1].id}` : "");
  const head = query.get("head") ?? DESCRIPTION.compared?.head ?? (known[0] ? `run:${known[0].id}` : "");
  const further = query.getAll("and").filter((name) => name !== "").slice(0, MOST_FURTHER);
  const pathOf = (head: string) => `/api/v1/compare${queryOf([["base", base], ["head", head], ["branch", query.get("branch")], ["as_of", query.get("as_of")], ["filter", query.get("model") ? `model=${query.get("model")}` : null]])}`;
  const path = pathOf(head);
  const loaded = useLoaded(base && head ? path : null, () => read<Comparison>(path));
  const paths = further.map(pathOf);
  const others = useLoaded(base && head && further.length > 0 ? [path, ...paths].join(" ") : null, () => Promise.all([path, ...paths].map((path) => read<Comparison>(path))));
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
      <FurtherSets further={further} />
      <p class="muted">A set is run:NUMBER, commit:NAME, release:COMMIT, image:NAME, branch:NAME, hardware:LABEL or engine:NAME.</p>
      {runs.state === "ready" && known.length < 2 && !base && <p class="empty">This history has fewer than two runs.</p>}
      {base && head && metric && further.length > 0 && <Ready of={others}>{(all) => <SetBars comparisons={all} metric={metric} base={base} />}</Ready>}
      {base && head && metric && <Ready of={loaded}>{(comparison) => <Result comparison={comparison} metric={metric} verdict={query.get("verdict") ?? ""} />}</Ready>}
    </div>
  );
}

/**
 * Why the numbers of pairs cannot be compared. Pairs have equal models, workloads and loads, because all of that is in their keys; what they were
 * measured with is among the settings that differ.
 */
export function mixturesOf(comparison: Comparison, metric: Metric): string[] {
  return [...new Set((comparison.configuration ?? []).flatMap(({ differences }) => mixtures(sidesOf(differences), metric)))];
}

/** Settings of `configuration` in `src/analysis/configuration.rs` that say what a number was measured with. */
const PRODUCER = "load generator";
const POWER = "power source";

function sidesOf(differences: readonly Difference[]) {
  const of = (name: string) => differences.find((difference) => difference.name === name);
  const [producer, power] = [of(PRODUCER), of(POWER)];
  return [measuredBy(producer?.base, power?.base), measuredBy(producer?.head, power?.head)];
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
      <Warnings texts={mixturesOf(comparison, metric)} />
      {comparison.summary && <SummaryView summary={comparison.summary} />}
      {comparison.configuration && <Configuration groups={comparison.configuration} metric={metric} />}
      <h2>Pairs</h2>
      <DataTable
        name={`${head} against ${base}`}
        rows={rows}
        order={metric.better === "lower" ? "-relative" : "relative"}
        notes={[`${metric.title}: ${metric.formula}`, ...mixturesOf(comparison, metric)]}
        columns={[
          { key: "point", title: "Point", value: (row) => row.verdict, show: (row) => <Verdict verdict={row.verdict} /> },
          { key: "metric", title: metric.title.split(",")[0] ?? metric.title, value: (row) => row.change?.verdict ?? null, show: (row) => row.change && <Verdict verdict={row.change.verdict} /> },
          ...DIMENSIONS.slice(0, 6).map((dimension) => ({ key: dimension.key, title: dimension.title, value: (row: ComparedPoint) => dimension.of(pointOfKey(row.point.curve)) })),
          { key: "conc", title: "Conc", isNumber: true, value: (row) => row.point.conc },
          { key: "base", title: `Base (${metric.unit})`, isNumber: true, value: (row) => (row.change?.base ?? 0) * metric.scale, show: (row) => number((row.change?.base ?? NaN) * metric.scale) },
          { key: "head", title: `Head (${metric.unit})`, isNumber: true, value: (row) => (row.change?.head ?? 0) * metric.scale, show: (row) => number((row.change?.head ?? NaN) * metric.scale) },
          { key: "relative", title: "Change", isNumber: true, value: (row) => row.change?.relative ?? null, show: (row) => percent(row.change?.relative) },
          { key: "interval", title: "Interval", value: (row) => (row.change ? `${percent(row.change.low)} to ${percent(row.change.high)}` : null), show: (row) => row.change && <ChangeBar {...row.change} reach={reach} better={metric.better ?? "higher"} isDecided={row.change.verdict === "better" || row.change.verdict === "worse"} /> },
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

/** The sets that are compared with the same base. */
function FurtherSets({ further }: { further: readonly string[] }) {
  return (
    <div class="controls wide">
      {further.map((name) => (
        <button type="button" key={name} aria-label={`Leave out ${name}`} onClick={() => set({ and: further.filter((other) => other !== name) })}>
          {name} ×
        </button>
      ))}
      {further.length < MOST_FURTHER && (
        <label class="field">
          <span>Another head</span>
          <input
            type="text"
            list="sets"
            value=""
            placeholder="add a set"
            onChange={(event) => {
              const name = event.currentTarget.value.trim();
              if (name !== "" && !further.includes(name)) set({ and: [...further, name] });
            }}
          />
        </label>
      )}
    </div>
  );
}
