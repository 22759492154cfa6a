/** A metric over time, of points, as a geometric mean over common points, or of curves at equal interactivity: levels with their noise, change points, gaps. */
import { useMemo } from "preact/hooks";
import { onSameData, useAddress } from "../address";
import { type Loaded, type Page, query as queryOf, read, useLoaded, valueOf } from "../api";
import { Chart } from "../chart/Chart";
import { DataTable } from "../DataTable";
import { type CurveKey, pageOfKey } from "../dimensions";
import { day, number, percent } from "../format";
import { COMPARED, type Metric, metricById, titleWithUnit } from "../metrics";
import { models } from "../models";
import { MetricSelect, Ready, Select, TextField, Verdict, Warnings } from "../parts";
import { IS_SERVED } from "../source/source";
import { Grouped } from "./GroupedTrends";
import type { RunHead } from "./Inbox";
import { Explanation } from "./Explanation";
import { mixturesOf, trendChart } from "./trendChart";

/** A value of a run; one without a number is a gap. */
export interface Value {
  x?: string | null;
  run: number;
  date: string;
  commit: string;
  image: string | null;
  version?: string | null;
  value: number | null;
  points?: number;
  missing?: number;
  reading?: string;
  low: number | null;
  high: number | null;
  /** The program that measured it. */
  producer?: string | null;
}

export interface Level {
  from_run: number;
  to_run: number;
  from_ms: number;
  to_ms: number;
  runs: number;
  mean: number;
  /** The standard deviation between runs as a part of the mean; absent for fewer than two runs. */
  sd?: number;
}

interface SeriesRow {
  point: string;
  key: { curve: CurveKey; conc: number };
  metric: string;
  values: Value[];
  levels: Level[];
}

export interface Change {
  point: string;
  key: { curve: CurveKey; conc: number };
  metric: string;
  after: string;
  at: string;
  run: number;
  before: number;
  now: number;
  relative: number;
  verdict: string;
  runs_before: number;
  runs_since: number;
  low?: number | null;
  high?: number | null;
  annotations: { text?: string; kind?: string; link?: string }[];
  good?: RunHead | null;
  bad?: RunHead | null;
  compare_url?: string | null;
}

/** What a chart of a trend needs. */
export interface Trend {
  name: string;
  values: Value[];
  levels: Level[];
  /** The page of a run's value. */
  pageOf?: (run: number) => string;
}

const SHOWN_AS = [
  { value: "points", title: "each point" },
  { value: "mean", title: "geometric mean over common points" },
  { value: "curve", title: "curves at equal interactivity" },
];
const OVER = [
  { value: "date", title: "time" },
  { value: "run", title: "run" },
  { value: "commit", title: "commit" },
  { value: "version", title: "engine version" },
  { value: "image", title: "image" },
];
const DEFAULT_AT = "50";
const DEFAULT_METRIC = "throughput-per-gpu";
/** Charts that are drawn at once. */
const SHOWN = 12;

export function Trends() {
  const { query } = useAddress();
  const known = useLoaded(`models ${query.get("branch")} ${query.get("as_of")}`, () => models(query));
  const all = valueOf(known) ?? [];
  const model = query.get("model") ?? all[0]?.value ?? null;
  const metric = metricById(query.get("metric") ?? DEFAULT_METRIC) ?? COMPARED[0];
  const branch = query.get("branch") ?? "main";
  const filters: [string, string | null][] = [
    ["filter", model === null ? null : `model=${model}`],
    ["filter", query.get("conc") ? `conc=${query.get("conc")}` : null],
    ["branch", branch],
  ];
  const by = query.get("by") ?? "date";
  const what = query.get("of") ?? "points";
  // The version is not among the values of a series by date.
  const path = `/api/v1/series${queryOf([...filters, ["metric", metric?.metric], ["by", by === "version" ? by : null], ["as_of", query.get("as_of")]])}`;
  const loaded = useLoaded(model === null || what !== "points" ? null : path, async () => (await read<Page<SeriesRow>>(path)).data);
  const changesPath = `/api/v1/changes${queryOf([...filters, ["metric", metric?.metric]])}`;
  const isPresent = query.get("as_of") === null;
  const changes = useLoaded(model === null || !isPresent || what !== "points" ? null : changesPath, async () => (await read<Page<Change>>(changesPath)).data);
  const words = (query.get("search") ?? "").toLowerCase().split(/\s+/).filter((word) => word !== "");
  return (
    <div class="content alone">
      <h1>Trends{model ? `: ${model}` : ""}</h1>
      <div class="controls">
        <TextField label="Search" name="search" placeholder="h200 tp8 conc64" />
        <Select label="Model" name="model" options={all.map(({ value }) => ({ value, title: value }))} fallback={all[0]?.value ?? ""} isLoading={known.state === "loading"} />
        <MetricSelect label="Metric" name="metric" metrics={COMPARED} fallback={DEFAULT_METRIC} by="metric" />
        {IS_SERVED && (
          <div data-served>
            <Select label="Show" name="of" options={SHOWN_AS} fallback="points" />
          </div>
        )}
        {what === "curve" && <TextField label="At (tok/s/user)" name="at" fallback={DEFAULT_AT} />}
        <Select label="Over" name="by" options={OVER} fallback="date" />
        <TextField label="Concurrency" name="conc" placeholder="all" />
      </div>
      {known.state === "ready" && all.length === 0 && <p class="empty">{query.get("branch") ? `The branch ${query.get("branch")} has no points.` : "This history has no points yet."}</p>}
      {model !== null && metric && what !== "points" && <Grouped filters={filters} metric={metric} at={what === "curve" ? (query.get("at") ?? DEFAULT_AT) : null} by={by} words={words} />}
      {model !== null && metric && what === "points" && (
        <Ready of={loaded}>
          {(rows) => {
            const found = rows.filter((row) => words.every((word) => row.point.toLowerCase().includes(word)));
            return <Charts rows={found} metric={metric} changes={isPresent ? changes : null} by={by} />;
          }}
        </Ready>
      )}
    </div>
  );
}

/** `changes` are `null` for a past state of the history. */
function Charts({ rows, metric, changes, by }: { rows: SeriesRow[]; metric: Metric; changes: Loaded<Change[]> | null; by: string }) {
  const order = useMemo(() => [...rows].sort((one, other) => other.levels.length - one.levels.length || other.values.length - one.values.length), [rows]);
  return (
    <>
      <p class="muted">
        {rows.length} points, those with changes first. Dashed: the level between two changes; band: twice its standard deviation; {titleWithUnit(metric)}: {metric.formula}.
      </p>
      <div class="smalls">
        {order.slice(0, SHOWN).map((row) => (
          <div key={row.point}>
            <h2>{row.point}</h2>
            <Chart model={trendChart({ name: row.point, values: row.values, levels: row.levels, pageOf: (run) => pageOfKey(row.key.curve, row.key.conc, run) }, metric, by)} height={230} isSmall />
            <Warnings texts={mixturesOf(row.values, metric)} />
          </div>
        ))}
      </div>
      {rows.length > SHOWN && <p class="muted">{rows.length - SHOWN} more points: search for words of their names.</p>}
      <h2>Changes</h2>
      {changes === null ? (
        <p class="muted">Changes are known for the present only.</p>
      ) : (
        <Ready of={changes}>{(known) => (known.length === 0 ? <p class="muted">No change of level is known.</p> : <Changes rows={known} />)}</Ready>
      )}
    </>
  );
}

function Changes({ rows }: { rows: Change[] }) {
  return (
    <DataTable
      name="Changes of level"
      rows={rows}
      order="-at"
      columns={[
        { key: "verdict", title: "Verdict", value: (row) => row.verdict, show: (row) => <Verdict verdict={row.verdict} /> },
        { key: "at", title: "Between", value: (row) => row.at, show: (row) => `${day(row.after)} and ${day(row.at)}` },
        { key: "point", title: "Point", value: (row) => row.point, show: (row) => <a href={trendOf(row)}>{row.point}</a> },
        { key: "relative", title: "Change", isNumber: true, value: (row) => row.relative, show: (row) => percent(row.relative) },
        { key: "interval", title: "95 % interval", value: (row) => (row.low == null ? null : `${percent(row.low)} to ${percent(row.high)}`) },
        { key: "before", title: "Before", isNumber: true, value: (row) => scaled(row, row.before), show: (row) => number(scaled(row, row.before)) },
        { key: "now", title: "Since", isNumber: true, value: (row) => scaled(row, row.now), show: (row) => number(scaled(row, row.now)) },
        { key: "runs", title: "Runs", isNumber: true, value: (row) => row.runs_since, show: (row) => `${row.runs_before} / ${row.runs_since}` },
        { key: "notes", title: "Explained by", isLong: true, value: (row) => row.annotations.map((note) => note.text ?? "").join("; "), show: (row) => <Explanation change={row} /> },
      ]}
    />
  );
}

function scaled(row: Change, value: number): number {
  return value * (metricById(row.metric)?.scale ?? 1);
}

function trendOf(row: Change): string {
  return onSameData("/trends", [["model", row.point.split(" ")[0]], ["metric", row.metric === DEFAULT_METRIC ? null : row.metric], ["search", row.point]]);
}
