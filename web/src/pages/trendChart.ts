/** The chart of a trend: over time and runs a line that ends at gaps, over commits, versions and images the values of each with their mean. */
import type { Band, ChartModel, Mark, Rule } from "../chart/model";
import { measuredBy, mixtures } from "../comparable";
import { minute, number, percent, shortCommit } from "../format";
import { type Metric, titleWithUnit } from "../metrics";
import type { Level, Trend, Value } from "./Trends";

/** A pause longer than the usual one by this factor is a gap. */
const GAP = 3;

export function trendChart(trend: Trend, metric: Metric, by: string): ChartModel {
  const values = [...trend.values].sort((one, other) => one.date.localeCompare(other.date) || one.run - other.run);
  const categories = by === "date" || by === "run" ? null : categoriesOf(values, by);
  const at = (value: Value) => (categories ? categories.indexOf(categoryOf(value, by)) : by === "date" ? Date.parse(value.date) : value.run);
  const marks = values.flatMap((value) => markOf(trend, value, at(value), metric) ?? []);
  return {
    name: `${metric.title} of ${trend.name}`,
    x: categories ? { title: { commit: "Commit", version: "Engine version", image: "Image" }[by] ?? by, kind: "linear", categories } : { title: by === "date" ? "Date (UTC)" : "Run", kind: by === "date" ? "time" : "linear" },
    y: { title: titleWithUnit(metric), kind: "linear" },
    series: [{ name: trend.name, style: 0, marks, lines: categories ? [means(marks, trend.name)] : pieces(values, trend, at, metric, by) }],
    bands: categories ? [] : bands(trend.levels, metric, by),
    rules: categories ? [] : rules(trend.levels, metric, by),
    notes: [`${metric.title}: ${metric.formula}`, ...mixturesOf(values, metric)],
  };
}

/** Why values of a trend cannot be compared with each other. A trend has one model, workload and load, so that only their origin differs. */
export function mixturesOf(values: readonly Value[], metric: Metric): string[] {
  return mixtures(values.map(({ producer }) => measuredBy(producer)), metric);
}

function categoryOf(value: Value, by: string): string {
  const text = by === "commit" ? shortCommit(value.commit) : by === "image" ? value.image : (value.version ?? value.x);
  return text ?? "unknown";
}

/** In the order in which they appeared. */
function categoriesOf(values: readonly Value[], by: string): string[] {
  return [...new Set(values.map((value) => categoryOf(value, by)))];
}

function markOf(trend: Trend, value: Value, x: number, metric: Metric): Mark | null {
  if (value.value === null) return null;
  const end = (number: number | null) => (number === null ? undefined : number * metric.scale);
  const made = value.points === undefined ? [] : [["Points", `${value.points}${value.reading === "between" ? ", between two measured ones" : ""}`] as const];
  return {
    x,
    y: value.value * metric.scale,
    yLow: end(value.low),
    yHigh: end(value.high),
    title: trend.name,
    ...(trend.pageOf ? { href: trend.pageOf(value.run) } : {}),
    facts: [[metric.title, `${number(value.value * metric.scale)} ${metric.unit}`], ["Date", minute(value.date)], ["Run", String(value.run)], ["Commit", shortCommit(value.commit)], ["Image", value.image ?? "–"], ...(value.producer ? [["Measured by", value.producer] as const] : []), ...made],
  };
}

/** The geometric mean of each category, joined. */
function means(marks: readonly Mark[], title: string): Mark[] {
  const byCategory = new Map<number, number[]>();
  for (const { x, y } of marks) byCategory.set(x, [...(byCategory.get(x) ?? []), y]);
  const mean = (values: readonly number[]) => Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
  return [...byCategory].sort(([one], [other]) => one - other).map(([x, values]) => ({ x, y: mean(values), title, facts: [] }));
}

/** Lines that end at gaps, because nothing is known of the time between: at long pauses, and at runs without a value. */
function pieces(values: readonly Value[], trend: Trend, at: (value: Value) => number, metric: Metric, by: string): Mark[][] {
  const pauses = values.slice(1).map((value, index) => at(value) - at(values[index] ?? value)).sort((one, other) => one - other);
  const usual = by === "date" ? (pauses[Math.floor(pauses.length / 2)] ?? 0) : Infinity;
  const lines: Mark[][] = [[]];
  for (const value of values) {
    const mark = markOf(trend, value, at(value), metric);
    const line = lines.at(-1);
    const last = line?.at(-1);
    if (!mark) lines.push([]);
    else if (line && (!last || mark.x - last.x <= GAP * usual)) line.push(mark);
    else lines.push([mark]);
  }
  return lines;
}

function bands(levels: readonly Level[], metric: Metric, by: string): Band[] {
  return levels.map((level) => {
    const mean = level.mean * metric.scale;
    const spread = 2 * (level.sd ?? 0) * mean;
    return { x: by === "date" ? [level.from_ms, level.to_ms] : [level.from_run, level.to_run], y: [mean - spread, mean + spread], middle: mean };
  });
}

function rules(levels: readonly Level[], metric: Metric, by: string): Rule[] {
  return levels.slice(1).map((level, index) => {
    const relative = level.mean / (levels[index]?.mean ?? level.mean) - 1;
    const isBetter = (metric.better === "lower") === relative < 0;
    return { x: by === "date" ? level.from_ms : level.from_run, label: percent(relative), tone: isBetter ? "better" : "worse" };
  });
}
