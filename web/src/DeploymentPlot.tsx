/** Any number of deployments against another one: lines by version, hardware and layout, or their Pareto frontiers. */
import { useMemo } from "preact/hooks";
import { useAddress } from "./address";
import { Chart } from "./chart/Chart";
import type { ChartModel, Mark, Series } from "./chart/model";
import { mixtures } from "./comparable";
import { type Deployed, ERROR_RATE, type Measure, OUTPUT_PER_GPU, profile } from "./deployments";
import { type Dimension, nameOf, pageOf } from "./dimensions";
import { count, number, percent } from "./format";
import { CONCURRENCY, METRICS, metricOf, shown } from "./metrics";
import { frontier } from "./pareto";
import { Select, Switch, TextField, View, Warnings } from "./parts";

/** Columns of points and numbers of deployments, as one list. */
export const MEASURES: Measure[] = [
  ...METRICS.map((metric) => ({
    key: metric.column,
    title: metric.title,
    unit: metric.unit,
    formula: metric.formula,
    ...(metric.better ? { better: metric.better } : {}),
    of: (point: Deployed) => shown(metric, point[metric.column as keyof Deployed]),
  })),
  OUTPUT_PER_GPU,
  ERROR_RATE,
];

export function measureOf(key: string): Measure | undefined {
  return MEASURES.find((measure) => measure.key === key);
}

interface Props {
  name: string;
  points: readonly Deployed[];
  /** What a line is drawn for. */
  lines: readonly Dimension[];
}

const DEFAULT_Y = "output_tput_per_any_gpu";
const USUAL = { x: CONCURRENCY.column, y: DEFAULT_Y };
const VIEWS = [
  { title: "Throughput", x: "conc", y: DEFAULT_Y },
  { title: "Pareto", x: "median_intvty", y: "tput_per_gpu" },
  { title: "TTFT", x: "conc", y: "median_ttft" },
  { title: "TPOT / ITL", x: "conc", y: "median_tpot" },
  { title: "E2E latency", x: "conc", y: "median_e2el" },
  { title: "Error rate", x: "conc", y: "error_rate" },
];

export function DeploymentPlot({ name, points, lines }: Props) {
  const { query } = useAddress();
  const [xKey, yKey] = [query.get("x") ?? CONCURRENCY.column, query.get("y") ?? DEFAULT_Y];
  // Numbers that some point has; the present axes stay where the filters leave no point.
  const offered = MEASURES.filter((measure) => [CONCURRENCY.column, xKey, yKey].includes(measure.key) || points.some((point) => measure.of(point) !== null));
  const options = offered.map(({ key, title, unit }) => ({ value: key, title: `${title} (${unit})` }));
  const x = measureOf(xKey);
  const y = measureOf(yKey);
  const upTo = Number(query.get("upto") ?? "");
  const within = upTo > 0 ? points.filter((point) => (point.conc ?? 0) <= upTo) : points;
  const drawn = x && y ? within.filter((point) => x.of(point) !== null && y.of(point) !== null) : [];
  const warnings = x && y ? mixtures(drawn, { column: x.key }, { column: y.key }) : [];
  const model = useMemo(() => (x && y ? chartOf(name, drawn, lines, x, y, warnings, query) : null), [name, points, query.toString()]);
  return (
    <>
      <nav class="presets" aria-label="Usual axes">
        {VIEWS.map((view) => (
          <View key={view.title} {...view} usual={USUAL} />
        ))}
      </nav>
      <div class="controls">
        <Select label="Y" name="y" options={options} fallback={DEFAULT_Y} />
        <Select label="X" name="x" options={options} fallback={CONCURRENCY.column} />
        <TextField label="Up to concurrency" name="upto" placeholder="all" />
        <Switch label="Log X" name="logx" />
        <Switch label="Log Y" name="logy" />
        <Switch label="Frontiers" name="frontier" isOn />
      </div>
      {model ? <Chart model={model} /> : <p class="failed" role="alert">There is no metric {query.get("x")} or {query.get("y")}.</p>}
      <Warnings texts={warnings} />
      {x && y && (
        <p class="muted">
          {count(within.length, "point")}. {y.title}: {y.formula}. {x.title}: {x.formula}.{isPareto(x, y) ? " A frontier joins measured points that no other point of its line beats in both directions." : ""}
        </p>
      )}
    </>
  );
}

function isPareto(x: Measure, y: Measure): boolean {
  return x.better !== undefined && y.better !== undefined;
}

function chartOf(name: string, points: readonly Deployed[], lines: readonly Dimension[], x: Measure, y: Measure, warnings: readonly string[], query: URLSearchParams): ChartModel {
  const groups = new Map<string, Deployed[]>();
  for (const point of points) {
    const line = lines.map((dimension) => dimension.of(point)).join(" · ");
    groups.set(line, [...(groups.get(line) ?? []), point]);
  }
  const names = [...groups.keys()].sort((one, other) => one.localeCompare(other, "en", { numeric: true }));
  const hasFrontiers = isPareto(x, y) && query.get("frontier") !== "0";
  return {
    name: `${name}: ${y.title} against ${x.title}`,
    x: { title: `${x.title} (${x.unit})`, kind: query.get("logx") === "1" ? "log" : "linear" },
    y: { title: `${y.title} (${y.unit})`, kind: query.get("logy") === "1" ? "log" : "linear" },
    series: names.map((line, style) => seriesOf(line, style, groups.get(line) ?? [], x, y, hasFrontiers)),
    hasLabels: hasFrontiers,
    notes: [`x: ${x.formula}`, `y: ${y.formula}`, ...warnings],
  };
}

function seriesOf(name: string, style: number, points: readonly Deployed[], x: Measure, y: Measure, hasFrontiers: boolean): Series {
  const pairs = [...points].sort((one, other) => (one.conc ?? 0) - (other.conc ?? 0)).map((point) => ({ point, mark: markOf(point, x, y) }));
  const marks = pairs.map(({ mark }) => mark);
  if (hasFrontiers) {
    const best = frontier(marks, (mark) => mark.x, (mark) => mark.y, x.better ?? "higher", y.better ?? "higher");
    const isBest = new Set(best);
    for (const mark of marks) mark.isFaint = !isBest.has(mark);
    return { name, style, marks, lines: [best] };
  }
  const curves = new Map<string, Mark[]>();
  for (const { point, mark } of pairs) {
    const curve = `${point.curve} ${point.run}`;
    curves.set(curve, [...(curves.get(curve) ?? []), mark]);
  }
  return { name, style, marks, lines: [...curves.values()] };
}

const FACTS = ["tput_per_gpu", "median_ttft", "p95_ttft", "median_tpot", "median_e2el"];

function markOf(point: Deployed, x: Measure, y: Measure): Mark {
  const facts = FACTS.flatMap((column) => {
    const metric = metricOf(column);
    const value = metric ? shown(metric, point[column as keyof Deployed]) : null;
    return metric && value !== null ? [[metric.title, `${number(value)} ${metric.unit}`] as const] : [];
  });
  return {
    x: x.of(point) ?? NaN,
    y: y.of(point) ?? NaN,
    label: `${point.layout} c${point.conc}`,
    href: pageOf(point),
    title: nameOf(point),
    facts: [
      ["Version", point.version],
      ["Profile", profile(point)],
      [y.title, `${number(y.of(point))} ${y.unit}`],
      [x.title, `${number(x.of(point))} ${x.unit}`],
      ...facts,
      ["GPUs", String(point.gpus ?? "–")],
      ...(point.error_rate === null ? [] : [["Errors", percent(point.error_rate)] as const]),
    ],
  };
}
