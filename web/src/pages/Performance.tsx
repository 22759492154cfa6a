/** Any metric against any other: points, frontiers, intervals. */
import { useMemo } from "preact/hooks";
import { current, useAddress } from "../address";
import { type Point, useLoaded, valueOf } from "../api";
import { Chart } from "../chart/Chart";
import type { ChartModel, Mark, Series } from "../chart/model";
import { conditionColumns, mixtures } from "../comparable";
import { DataTable } from "../DataTable";
import { DIMENSIONS, FRAMEWORK, HARDWARE, MODEL, nameOf, pageOf } from "../dimensions";
import { Facets } from "../Facets";
import { count, number } from "../format";
import { CONCURRENCY, type Metric, METRICS, metricOf, shown, titleWithUnit } from "../metrics";
import { models } from "../models";
import { columnsOf, newest } from "../newest";
import { frontier } from "../pareto";
import { Failure, MetricSelect, Ready, Select, Switch, TextField, View, Warnings } from "../parts";
import { type Annotated, annotated, isCovered, warningOf } from "../annotated";
import { MOST_OVERLAID, MOST_OVERLAID_POINTS, UnofficialChoice, unofficialPoints } from "../unofficial";
import { Annotations } from "./Inbox";
import { choiceOf, select, textOf } from "../selection";

const DEFAULT_X = "median_intvty";
const DEFAULT_Y = "tput_per_gpu";
/** What the pointer shows besides the axes. */
const FACTS = ["tput_per_gpu", "median_intvty", "median_ttft", "median_tpot", "median_e2el"];
/** What rankings need beside the axes. */
const FURTHER = ["joules_per_total_token"];
/** Lines by these dimensions together, by default. */
const USUAL_LINES = "hardware+framework+precision";
const LINES = [
  { value: USUAL_LINES, title: "hardware, engine, precision" },
  { value: "hardware", title: "hardware" },
  { value: "framework", title: "engine" },
  { value: "precision", title: "precision" },
  { value: "layout", title: "layout" },
  { value: "version", title: "image" },
  { value: "sequence", title: "ISL/OSL" },
  { value: "run", title: "run" },
];
const USUAL = { x: DEFAULT_X, y: DEFAULT_Y };
const PRESETS = [
  { title: "Interactivity", x: DEFAULT_X, y: DEFAULT_Y },
  { title: "E2E latency", x: "median_e2el", y: DEFAULT_Y },
  { title: "TTFT", x: "median_ttft", y: DEFAULT_Y },
  { title: "Concurrency", x: "conc", y: DEFAULT_Y },
];
const FILTERED = DIMENSIONS.filter((dimension) => dimension !== MODEL);

export function Performance() {
  const { query } = useAddress();
  const known = useLoaded(`models ${query.get("branch")} ${query.get("as_of")}`, () => models(query));
  const all = valueOf(known) ?? [];
  const model = query.get("model") ?? all[0]?.value ?? null;
  const x = metricOf(query.get("x") ?? DEFAULT_X) ?? CONCURRENCY;
  const y = metricOf(query.get("y") ?? DEFAULT_Y) ?? CONCURRENCY;
  const columns = [...FACTS, ...FURTHER, ...columnsOf(x, y), ...conditionColumns(x, y)];
  const key = model === null ? null : JSON.stringify([model, columns, query.get("branch"), query.get("as_of")]);
  const loaded = useLoaded(key, () => newest(model, columns, query));
  const found = valueOf(loaded);
  const asked = query.getAll("unofficial").filter((id) => /^\d+$/.test(id));
  const overlaid = asked.slice(0, MOST_OVERLAID);
  const overlay = useLoaded(model === null || overlaid.length === 0 ? null : JSON.stringify([key, overlaid]), () => unofficialPoints(overlaid, model ?? "", columns, query));
  const notes = useLoaded(model === null ? null : `annotated ${model} ${query.get("branch")} ${query.get("as_of")}`, () => annotated(model ?? "", query));
  const choice = choiceOf(query, FILTERED);
  const chosenText = textOf(choice);
  const bound = most();
  const unofficial = useMemo(() => (overlaid.length === 0 ? NONE : select((valueOf(overlay)?.points ?? []).filter((point) => (point.conc ?? 0) <= bound), choice, FILTERED)), [valueOf(overlay), overlaid.length === 0, chosenText, bound]);
  const points = useMemo(() => (found?.points ?? []).filter((point) => (point.conc ?? 0) <= bound), [found, bound]);
  const chosen = useMemo(() => select(points, choice, FILTERED), [points, chosenText]);
  // Nothing of these depends on how the chart is drawn, which most interactions change.
  const about = useMemo(() => (valueOf(notes) ?? NO_NOTES).filter((note) => isCovered(note, chosen)), [valueOf(notes), chosen]);
  const mixed = useMemo(() => mixtures([...chosen, ...unofficial], x, y), [chosen, unofficial, x, y]);
  const best = useMemo(
    () => (
      <>
        <Tops points={chosen} />
        <Ranking points={chosen} x={x} y={y} />
      </>
    ),
    [chosen, x, y],
  );
  return (
    <div class="withfacets">
      <Facets points={points} choice={choice} dimensions={FILTERED} {...(model === null ? {} : { single: { dimension: MODEL, values: all, chosen: model } })} />
      <div class="content">
        <h1>Performance{model ? `: ${model}` : ""}</h1>
        <nav class="presets" aria-label="Common axes">
          {PRESETS.map((preset) => (
            <View key={preset.title} {...preset} usual={USUAL} />
          ))}
        </nav>
        <div class="controls">
          <MetricSelect label="Y" name="y" metrics={METRICS} fallback={DEFAULT_Y} />
          <MetricSelect label="X" name="x" metrics={METRICS} fallback={DEFAULT_X} />
          <Select label="Lines by" name="lines" options={LINES} fallback={USUAL_LINES} isOpen />
          <TextField label="Concurrency up to" name="conc" placeholder="all" />
          <Switch label="Frontier" name="frontier" isOn />
          <Switch label="Log X" name="logx" />
          <Switch label="Log Y" name="logy" />
          <Switch label="Intervals" name="intervals" isOn />
          <Switch label="Labels" name="labels" isOn />
          <UnofficialChoice chosen={overlaid} />
        </div>
        {known.state === "ready" && all.length === 0 && <p class="empty">{query.get("branch") ? `The branch ${query.get("branch")} has no points.` : "This history has no points yet."}</p>}
        {model !== null && (
          <Ready of={loaded}>
            {({ isCut, points: all }) => (
              <>
                {all.length === 0 && (
                  <p class="empty">
                    {model} has no measured points on the branch {query.get("branch") ?? "main"}. Imported runs may have none; Details shows the points of all branches.
                  </p>
                )}
                {asked.length > overlaid.length && <p class="warning">Only the first {count(MOST_OVERLAID, "run")} of the address are laid over.</p>}
                {overlaid.length > 0 && <Ready of={overlay}>{(all) => <Overlaid runs={overlaid} shown={unofficial.length} found={all.points.length} isCut={all.isCut} />}</Ready>}
                <Failure of={notes} what="The annotations" />
                <Plot points={chosen} unofficial={unofficial} notes={valueOf(notes) ?? NO_NOTES} x={x} y={y} query={query} model={model} />
                <Annotations rows={about} />
                {isCut && <p class="failed">The history has more curves of this model than are drawn; filter by the API to see all.</p>}
                <Warnings texts={mixed} />
                {best}
              </>
            )}
          </Ready>
        )}
      </div>
    </div>
  );
}

function most(): number {
  return Number(new URLSearchParams(current().query).get("conc") ?? "") || Infinity;
}

const NONE: readonly Point[] = [];
const NO_NOTES: readonly Annotated[] = [];

function Overlaid({ runs, shown, found, isCut }: { runs: readonly string[]; shown: number; found: number; isCut: boolean }) {
  return (
    <p class="unofficial">
      <strong>NOT OFFICIAL</strong> {count(runs.length, "run")} ({runs.join(", ")}) that {runs.length === 1 ? "is" : "are"} not official laid over the official results: {count(shown, "point")} with hollow marks and dotted lines
      {found > shown ? `, ${found - shown} more left out by the filters` : ""}.{isCut ? ` Of some run only the newest ${count(MOST_OVERLAID_POINTS, "point")} are here.` : ""} They are in no ranking below.
    </p>
  );
}

/** Keys of the address that lines are made of, and those that only say how they are drawn. */
const LINE_KEYS = ["lines", "frontier", "intervals"];
const DRAWING_KEYS = ["logx", "logy", "labels"];

function Plot({ points, unofficial, notes, x, y, query, model }: { points: readonly Point[]; unofficial: readonly Point[]; notes: readonly Annotated[]; x: Metric; y: Metric; query: URLSearchParams; model: string }) {
  const lines = useMemo(() => chartOf(points, unofficial, notes, x, y, query, model), [points, unofficial, notes, x, y, ...LINE_KEYS.map((key) => query.get(key))]);
  const chart = useMemo(() => ({ ...lines, ...drawnAs(lines, query) }), [lines, ...DRAWING_KEYS.map((key) => query.get(key))]);
  return (
    <>
      <Chart model={chart} height={460} hideKey="hide" />
      <p class="muted">
        {count(points.length, "point")}, {count(chart.series.length, "line")}. Frontiers join measured points only. {titleWithUnit(y)}: {y.formula}. {titleWithUnit(x)}: {x.formula}.
      </p>
    </>
  );
}

export function chartOf(points: readonly Point[], unofficial: readonly Point[], notes: readonly Annotated[], x: Metric, y: Metric, query: URLSearchParams, model: string): ChartModel {
  const keys = (query.get("lines") ?? USUAL_LINES).split(/[+ ]/);
  const dimensions = DIMENSIONS.filter((dimension) => keys.includes(dimension.key));
  const groups = grouped(points, dimensions, x, y, "");
  const others = grouped(unofficial, dimensions, x, y, "NOT OFFICIAL ");
  const sorted = (names: Iterable<string>) => [...names].sort((one, other) => one.localeCompare(other, "en", { numeric: true }));
  const names = sorted(groups.keys());
  const series = (name: string, style: number, members: readonly Point[]) => seriesOf(name, style, members, notes, x, y, query);
  return {
    name: `${y.title} against ${x.title}, ${model}`,
    ...drawnAs({ x: { title: titleWithUnit(x), kind: "linear" }, y: { title: titleWithUnit(y), kind: "linear" } }, query),
    series: [...names.map((name, style) => series(name, style, groups.get(name) ?? [])), ...sorted(others.keys()).map((name, index) => ({ ...series(name, names.length + index, others.get(name) ?? []), isUnofficial: true }))],
    ...(others.size > 0 ? { stamp: "NOT OFFICIAL" } : {}),
    notes: [`x: ${x.formula}`, `y: ${y.formula}`, ...notes.filter((note) => isCovered(note, points)).map((note) => `${note.kind}: ${note.text}`), ...mixtures([...points, ...unofficial], x, y)],
  };
}

/** Kinds of axes and labels as the address says. */
function drawnAs({ x, y }: Pick<ChartModel, "x" | "y">, query: URLSearchParams): Pick<ChartModel, "x" | "y" | "hasLabels"> {
  return {
    x: { ...x, kind: query.get("logx") === "1" ? "log" : "linear" },
    y: { ...y, kind: query.get("logy") === "1" ? "log" : "linear" },
    hasLabels: query.get("labels") !== "0",
  };
}

/** Points that have both numbers, by line. Unofficial ones are lines of their own, one for each run. */
function grouped(points: readonly Point[], dimensions: readonly (typeof DIMENSIONS)[number][], x: Metric, y: Metric, mark: string): Map<string, Point[]> {
  const groups = new Map<string, Point[]>();
  for (const point of points) {
    if (shown(x, point[x.column as keyof Point]) === null || shown(y, point[y.column as keyof Point]) === null) continue;
    const name = `${mark}${mark === "" ? "" : `run ${point.run}: `}${dimensions.map((dimension) => dimension.of(point)).join(" · ") || "all"}`;
    const members = groups.get(name);
    if (members) members.push(point);
    else groups.set(name, [point]);
  }
  return groups;
}

function seriesOf(name: string, style: number, points: readonly Point[], notes: readonly Annotated[], x: Metric, y: Metric, query: URLSearchParams): Series {
  const hasIntervals = query.get("intervals") !== "0";
  const pairs = points.map((point) => ({ point, mark: Object.assign(markOf(point, x, y, hasIntervals), { warning: warningOf(point, notes) }) }));
  const marks = pairs.map(({ mark }) => mark);
  const hasFrontier = query.get("frontier") !== "0" && x.better !== undefined && y.better !== undefined;
  if (hasFrontier) {
    const best = frontier(marks, (mark) => mark.x, (mark) => mark.y, x.better ?? "higher", y.better ?? "higher");
    const isBest = new Set(best);
    for (const mark of marks) mark.isFaint = !isBest.has(mark);
    return { name, style, marks, lines: [best] };
  }
  const curves = new Map<string, typeof pairs>();
  for (const pair of pairs) curves.set(pair.point.curve ?? "", [...(curves.get(pair.point.curve ?? "") ?? []), pair]);
  const lines = [...curves.values()].map((curve) => curve.sort((one, other) => (one.point.conc ?? 0) - (other.point.conc ?? 0)).map(({ mark }) => mark));
  return { name, style, marks, lines };
}

function markOf(point: Point, x: Metric, y: Metric, hasIntervals: boolean): Mark {
  const value = (metric: Metric, column: string) => shown(metric, point[column as keyof Point]) ?? undefined;
  const end = (metric: Metric, side: string) => (hasIntervals && metric.interval ? value(metric, `ci_${side}_${metric.interval}`) : undefined);
  const facts = () =>
    [...new Set([y.column, x.column, ...FACTS])].flatMap((column) => {
      const metric = metricOf(column);
      return metric ? [[metric.title, `${number(value(metric, column))} ${metric.unit}`] as const] : [];
    });
  // The texts of thousands of points take longer than their drawing, and few of them are looked at.
  return {
    x: value(x, x.column) ?? NaN,
    y: value(y, y.column) ?? NaN,
    xLow: end(x, "low"),
    xHigh: end(x, "high"),
    yLow: end(y, "low"),
    yHigh: end(y, "high"),
    label: `${point.layout} c${point.conc}`,
    get href() {
      return pageOf(point);
    },
    get title() {
      return nameOf(point);
    },
    get facts(): Mark["facts"] {
      return [...facts(), ["GPUs", String(point.gpus ?? "–")], ["Image", point.image ?? "–"], ["Run", `${point.run}, ${(point.started ?? "").slice(0, 10)}`]];
    },
  };
}

/** What points are ranked by: each answers another question. */
const RANKED = ["tput_per_gpu", "median_e2el", "joules_per_total_token"];
const TOP = 5;

/** The best configurations by throughput, latency and efficiency, one for each hardware, engine, precision and workload. */
function Tops({ points }: { points: readonly Point[] }) {
  return (
    <div class="tops">
      {RANKED.flatMap((column) => metricOf(column) ?? []).map((metric) => (
        <section key={metric.column} aria-label={`Top by ${metric.title}`}>
          <h2>Top by {titleWithUnit(metric)}</h2>
          <TopList points={points} metric={metric} />
        </section>
      ))}
    </div>
  );
}

function TopList({ points, metric }: { points: readonly Point[]; metric: Metric }) {
  const value = (point: Point) => shown(metric, point[metric.column as keyof Point]);
  const sign = metric.better === "lower" ? 1 : -1;
  const best = [...bestOfEach(points, metric).values()].sort((one, other) => sign * ((value(one) ?? 0) - (value(other) ?? 0)));
  if (best.length === 0) return <p class="muted">No point of these has it.</p>;
  return (
    <ol>
      {best.slice(0, TOP).map((point) => (
        <li key={point.id}>
          <a href={pageOf(point)}>
            <strong>{number(value(point))}</strong> {HARDWARE.of(point)} {FRAMEWORK.of(point)} {point.precision} {point.layout} conc {point.conc}
          </a>
        </li>
      ))}
    </ol>
  );
}

function bestOfEach(points: readonly Point[], metric: Metric): Map<string, Point> {
  const best = new Map<string, Point>();
  for (const point of points) {
    const value = shown(metric, point[metric.column as keyof Point]);
    if (value === null) continue;
    const key = JSON.stringify([HARDWARE.of(point), FRAMEWORK.of(point), point.precision, point.isl, point.osl]);
    const known = best.get(key);
    const before = known ? (shown(metric, known[metric.column as keyof Point]) ?? 0) : null;
    if (before === null || (metric.better === "lower" ? value < before : value > before)) best.set(key, point);
  }
  return best;
}

/** The best point of each hardware and engine. */
function Ranking({ points, x, y }: { points: readonly Point[]; x: Metric; y: Metric }) {
  const best = bestOfEach(points, y);
  const metric = (of: Metric) => ({ key: of.column, title: titleWithUnit(of), isNumber: true, value: (point: Point) => shown(of, point[of.column as keyof Point]), show: (point: Point) => number(shown(of, point[of.column as keyof Point])) });
  return (
    <>
      <h2>Best of each by {y.title}</h2>
      <DataTable
        name={`Best by ${y.title}`}
        rows={[...best.values()]}
        order={y.better === "lower" ? y.column : `-${y.column}`}
        orderKey="rank"
        columns={[
          ...DIMENSIONS.filter((dimension) => dimension !== MODEL && dimension.key !== "run" && dimension.key !== "version").map((dimension) => ({ key: dimension.key, title: dimension.title, value: dimension.of })),
          { key: "conc", title: "Conc", isNumber: true, value: (point) => point.conc ?? null, show: (point) => <a href={pageOf(point)}>{point.conc}</a> },
          ...(y === x || y === CONCURRENCY ? [] : [metric(y)]),
          ...(x === CONCURRENCY ? [] : [metric(x)]),
        ]}
      />
    </>
  );
}
