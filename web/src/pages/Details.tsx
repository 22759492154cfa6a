/** The table of everything. */
import { useMemo, useState } from "preact/hooks";
import { set, useAddress } from "../address";
import { type Page, type Point, query as queryOf, read, useLoaded, valueOf } from "../api";
import { conditionColumns } from "../comparable";
import { type Column, DataTable } from "../DataTable";
import { DIMENSIONS, MODEL, pageOf } from "../dimensions";
import { Facets } from "../Facets";
import { day, number, shortCommit } from "../format";
import { type Metric, METRICS, metricOf, shown, titleWithUnit } from "../metrics";
import { columnsOf, DESCRIBING, newest, type Newest } from "../newest";
import { Ready, Select, TextField } from "../parts";
import { choiceOf, select } from "../selection";
import { fetchFile } from "../source/server";
import { save } from "../chart/files";
import { Groups } from "./Groups";
import { IS_SERVED } from "../source/source";

const USUAL_COLUMNS = ["tput_per_gpu", "output_tput_per_gpu", "median_intvty", "median_ttft", "p99_ttft", "median_tpot", "median_e2el"];
const RUNS = [
  { value: "newest", title: "newest of each curve" },
  { value: "all", title: "all runs" },
];
/** Points of all runs that are shown. */
const MOST_POINTS = 5000;

async function allRuns(columns: readonly string[], address: URLSearchParams): Promise<Newest> {
  const fields = [...new Set([...DESCRIBING, ...columns])].join(",");
  const path = `/api/v1/points${queryOf([["branch", address.get("branch")], ["as_of", address.get("as_of")], ["fields", fields], ["limit", String(MOST_POINTS)]])}`;
  const page = await read<Page<Point>>(path);
  return { points: page.data, isCut: page.next !== null };
}

export function Details() {
  const { query } = useAddress();
  const metrics = (query.get("columns")?.split(",") ?? USUAL_COLUMNS).flatMap((column) => metricOf(column) ?? []);
  // Groups are compared by their best and median numbers, rows are not.
  const columns = [...columnsOf(...metrics), ...(query.get("group") ? conditionColumns(...metrics) : [])];
  const runs = query.get("runs") ?? "newest";
  const key = JSON.stringify([columns, runs, query.get("branch"), query.get("as_of")]);
  const loaded = useLoaded(key, () => (runs === "all" ? allRuns(columns, query) : newest(null, columns, query)));
  const points = valueOf(loaded)?.points ?? [];
  const choice = choiceOf(query, DIMENSIONS);
  const search = query.get("search") ?? "";
  const group = DIMENSIONS.find(({ key }) => key === query.get("group"));
  const chosen = useMemo(() => searched(select(points, choice, DIMENSIONS), search), [points, query.toString()]);
  return (
    <div class="withfacets">
      <Facets points={points} choice={choice} dimensions={DIMENSIONS} />
      <div class="content">
        <h1>Details</h1>
        <div class="controls">
          <TextField label="Search" name="search" placeholder="words" />
          <Select label="Points" name="runs" options={RUNS} fallback="newest" />
          <Select label="Grouped by" name="group" options={[{ value: "", title: "nothing" }, ...DIMENSIONS.map(({ key, title }) => ({ value: key, title }))]} fallback="" />
          <ColumnChoice metrics={metrics} />
        </div>
        <Ready of={loaded}>
          {({ isCut }) => (
            <>
              {isCut && <p class="warning">Only the newest {points.length} points are here; the API has all.</p>}
              {group && <Groups points={chosen} dimension={group} metrics={metrics} />}
              <DataTable name="Points" rows={chosen} columns={[...describing(), ...metrics.map(columnOf), ...measuring()]} order="model" notes={metrics.map((metric) => `${metric.title}: ${metric.formula}`)} />
              {IS_SERVED && <p class="muted" data-served>
                All columns of all points of the branch: <Export format="csv" title="CSV" />, <Export format="parquet" title="Parquet" />, <Export format="ndjson" title="NDJSON" />. The buttons of the table give exactly what it shows.
              </p>}
            </>
          )}
        </Ready>
      </div>
    </div>
  );
}

/** A file of the API. It is fetched by the page, whose token a link would not send. */
function Export({ format, title }: { format: string; title: string }) {
  const { query } = useAddress();
  const [failure, fail] = useState<string | null>(null);
  const path = `/api/v1/points.${format}${queryOf([["branch", query.get("branch")], ["as_of", query.get("as_of")], ["filter", query.get("model") ? `model=${query.get("model")}` : null]])}`;
  const fetchAndSave = async () => {
    try {
      save(`points.${format}`, "", await fetchFile(path));
      fail(null);
    } catch (error) {
      fail(error instanceof Error ? error.message : String(error));
    }
  };
  return (
    <>
      <button type="button" class="more" onClick={() => void fetchAndSave()}>
        {title}
      </button>
      {failure !== null && <span class="worse-text"> ({failure})</span>}
    </>
  );
}

/** Points in whose dimensions all words are. */
function searched(points: Point[], search: string): Point[] {
  const words = search.toLowerCase().split(/\s+/).filter((word) => word !== "");
  if (words.length === 0) return points;
  return points.filter((point) => {
    const text = [...DIMENSIONS.map((dimension) => dimension.of(point)), `conc${point.conc}`, point.model, point.commit, point.branch].join(" ").toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

function describing(): Column<Point>[] {
  const dimensions = DIMENSIONS.filter((dimension) => dimension.key !== "run" && dimension.key !== "version");
  return [
    ...dimensions.map((dimension) => ({ key: dimension.key, title: dimension === MODEL ? "Model" : dimension.title, value: dimension.of })),
    { key: "conc", title: "Conc", isNumber: true, value: (point) => point.conc ?? null, show: (point) => <a href={pageOf(point)}>{point.conc}</a> },
    { key: "gpus", title: "GPUs", isNumber: true, value: (point) => point.gpus ?? null },
  ];
}

/** When, of what and how it ended; after the numbers, which are looked at first. */
function measuring(): Column<Point>[] {
  return [
    { key: "started", title: "Date", value: (point) => point.started ?? null, show: (point) => day(point.started) },
    { key: "run", title: "Run", isNumber: true, value: (point) => point.run ?? null },
    { key: "commit", title: "Commit", value: (point) => point.commit ?? null, show: (point) => <code>{shortCommit(point.commit)}</code> },
    { key: "outcome", title: "Outcome", value: (point) => point.outcome ?? null },
  ];
}

function columnOf(metric: Metric): Column<Point> {
  const value = (point: Point) => shown(metric, point[metric.column as keyof Point]);
  return { key: metric.column, title: titleWithUnit(metric), isNumber: true, value, show: (point) => number(value(point)) };
}

function ColumnChoice({ metrics }: { metrics: Metric[] }) {
  const chosen = new Set(metrics.map((metric) => metric.column));
  const toggle = (column: string) => {
    const next = METRICS.map((metric) => metric.column).filter((known) => chosen.has(known) !== (known === column));
    set({ columns: next.join() === USUAL_COLUMNS.join() || next.length === 0 ? null : next.join() });
  };
  return (
    <details class="columns">
      <summary>Columns ({metrics.length})</summary>
      <div class="menu">
        {METRICS.filter((metric) => metric.column !== "conc").map((metric) => (
          <label key={metric.column}>
            <input type="checkbox" checked={chosen.has(metric.column)} onChange={() => toggle(metric.column)} />
            {titleWithUnit(metric)}
          </label>
        ))}
      </div>
    </details>
  );
}
