/** A metric of points over time: levels with their noise, change points, gaps. */
import { useMemo } from "preact/hooks";
import { useAddress } from "../address";
import { type Page, query as queryOf, read, useLoaded, valueOf } from "../api";
import { Chart } from "../chart/Chart";
import type { Band, ChartModel, Mark, Rule } from "../chart/model";
import { DataTable } from "../DataTable";
import { type CurveKey, pageOfKey } from "../dimensions";
import { day, minute, number, percent, shortCommit } from "../format";
import { COMPARED, type Metric, metricById, titleWithUnit } from "../metrics";
import { models } from "../models";
import { MetricSelect, Ready, Select, TextField, Verdict } from "../parts";

interface Value {
  x: string | null;
  run: number;
  date: string;
  commit: string;
  image: string | null;
  value: number;
  low: number | null;
  high: number | null;
}

interface Level {
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
  annotations: { text?: string; kind?: string; link?: string }[];
}

const DEFAULT_METRIC = "throughput-per-gpu";
/** Charts that are drawn at once. */
const SHOWN = 12;
/** A pause so many times the usual one between two runs is a gap. */
const GAP = 3;

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
  const path = `/api/v1/series${queryOf([...filters, ["metric", metric?.metric], ["as_of", query.get("as_of")]])}`;
  const loaded = useLoaded(model === null ? null : path, async () => (await read<Page<SeriesRow>>(path)).data);
  const changesPath = `/api/v1/changes${queryOf([...filters, ["metric", metric?.metric]])}`;
  const isPresent = query.get("as_of") === null;
  const changes = useLoaded(model === null || !isPresent ? null : changesPath, async () => (await read<Page<Change>>(changesPath)).data);
  const words = (query.get("search") ?? "").toLowerCase().split(/\s+/).filter((word) => word !== "");
  return (
    <div class="content alone">
      <h1>Trends{model ? `: ${model}` : ""}</h1>
      <div class="controls">
        <TextField label="Search" name="search" placeholder="h200 tp8 conc64" />
        <Select label="Model" name="model" options={all.map(({ value }) => ({ value, title: value }))} fallback={all[0]?.value ?? ""} />
        <MetricSelect label="Metric" name="metric" metrics={COMPARED} fallback={DEFAULT_METRIC} by="metric" />
        <Select label="Over" name="by" options={[{ value: "date", title: "time" }, { value: "run", title: "run" }]} fallback="date" />
        <TextField label="Concurrency" name="conc" placeholder="all" />
      </div>
      {known.state === "ready" && all.length === 0 && <p class="empty">This history has no points yet.</p>}
      {model !== null && metric && (
        <Ready of={loaded}>
          {(rows) => {
            const found = rows.filter((row) => words.every((word) => row.point.toLowerCase().includes(word)));
            return <Charts rows={found} metric={metric} changes={valueOf(changes) ?? []} by={query.get("by") ?? "date"} />;
          }}
        </Ready>
      )}
    </div>
  );
}

function Charts({ rows, metric, changes, by }: { rows: SeriesRow[]; metric: Metric; changes: Change[]; by: string }) {
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
            <Chart model={chartOf(row, metric, by)} height={230} isSmall />
          </div>
        ))}
      </div>
      {rows.length > SHOWN && <p class="muted">{rows.length - SHOWN} more points: search for words of their names.</p>}
      <h2>Changes</h2>
      {changes.length === 0 ? <p class="muted">No change of level is known.</p> : <Changes rows={changes} />}
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
        { key: "before", title: "Before", isNumber: true, value: (row) => scaled(row, row.before), show: (row) => number(scaled(row, row.before)) },
        { key: "now", title: "Since", isNumber: true, value: (row) => scaled(row, row.now), show: (row) => number(scaled(row, row.now)) },
        { key: "runs", title: "Runs", isNumber: true, value: (row) => row.runs_since, show: (row) => `${row.runs_before} / ${row.runs_since}` },
        { key: "notes", title: "Explained by", isLong: true, value: (row) => row.annotations.map((note) => note.text ?? "").join("; ") },
      ]}
    />
  );
}

function scaled(row: Change, value: number): number {
  return value * (metricById(row.metric)?.scale ?? 1);
}

function trendOf(row: Change): string {
  return `/trends${queryOf([["model", row.point.split(" ")[0]], ["metric", row.metric === DEFAULT_METRIC ? null : row.metric], ["search", row.point]])}`;
}

function chartOf(row: SeriesRow, metric: Metric, by: string): ChartModel {
  const isTime = by === "date";
  const values = [...row.values].sort((one, other) => one.date.localeCompare(other.date) || one.run - other.run);
  const at = (value: Value) => (isTime ? Date.parse(value.date) : value.run);
  const marks = values.map((value): Mark => ({
    x: at(value),
    y: value.value * metric.scale,
    yLow: value.low === null ? undefined : value.low * metric.scale,
    yHigh: value.high === null ? undefined : value.high * metric.scale,
    title: row.point,
    href: pageOfKey(row.key.curve, row.key.conc, value.run),
    facts: [[metric.title, `${number(value.value * metric.scale)} ${metric.unit}`], ["Date", minute(value.date)], ["Run", String(value.run)], ["Commit", shortCommit(value.commit)], ["Image", value.image ?? "–"]],
  }));
  return {
    name: `${metric.title} of ${row.point}`,
    x: { title: isTime ? "Date (UTC)" : "Run", kind: isTime ? "time" : "linear" },
    y: { title: titleWithUnit(metric), kind: "linear" },
    series: [{ name: row.point, style: 0, marks, lines: isTime ? pieces(marks) : [marks] }],
    bands: row.levels.map((level): Band => {
      const mean = level.mean * metric.scale;
      const spread = 2 * (level.sd ?? 0) * mean;
      return { x: isTime ? [level.from_ms, level.to_ms] : [level.from_run, level.to_run], y: [mean - spread, mean + spread], middle: mean };
    }),
    rules: row.levels.slice(1).map((level, index): Rule => {
      const before = row.levels[index]?.mean ?? level.mean;
      const relative = level.mean / before - 1;
      const isBetter = (metric.better === "lower") === relative < 0;
      return { x: isTime ? level.from_ms : level.from_run, label: percent(relative), tone: isBetter ? "better" : "worse" };
    }),
    notes: [`${metric.title}: ${metric.formula}`],
  };
}

/** Lines that end at gaps, because nothing is known of the time between. */
function pieces(marks: Mark[]): Mark[][] {
  const pauses = marks.slice(1).map((mark, index) => mark.x - (marks[index]?.x ?? 0)).sort((one, other) => one - other);
  const usual = pauses[Math.floor(pauses.length / 2)] ?? 0;
  const lines: Mark[][] = [];
  for (const mark of marks) {
    const line = lines.at(-1);
    const last = line?.at(-1);
    if (line && last && mark.x - last.x <= GAP * usual) line.push(mark);
    else lines.push([mark]);
  }
  return lines;
}
