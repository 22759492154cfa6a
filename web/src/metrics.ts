/** The registry of metrics, which the server writes into the page from its own types. */

export interface Metric {
  /** The column of `/api/v1/points`. */
  column: string;
  /** The name in `/api/v1/series` and `/api/v1/compare`. */
  metric?: string;
  title: string;
  unit: string;
  /** The shown number is the stored one times this. */
  scale: number;
  better?: "higher" | "lower";
  formula: string;
  /** The ending of the columns of its 95 % interval. */
  interval?: string;
}

function readRegistry(): Metric[] {
  const text = document.getElementById("metrics")?.textContent;
  return text ? (JSON.parse(text) as Metric[]) : [];
}

/** Concurrency is a setting, and an axis all the same. */
export const CONCURRENCY: Metric = {
  column: "conc",
  title: "Concurrency",
  unit: "requests",
  scale: 1,
  formula: "requests in flight",
};

export const METRICS: Metric[] = [...readRegistry(), CONCURRENCY];

const BY_COLUMN = new Map(METRICS.map((metric) => [metric.column, metric]));

export function metricOf(column: string): Metric | undefined {
  return BY_COLUMN.get(column);
}

/** The metrics that series and comparisons know. */
export const COMPARED: Metric[] = METRICS.filter((metric) => metric.metric !== undefined);

export function metricById(id: string): Metric | undefined {
  return COMPARED.find((metric) => metric.metric === id);
}

/** A stored number in the unit of its metric. */
export function shown(metric: Metric, value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value * metric.scale : null;
}

export function titleWithUnit(metric: Metric): string {
  return `${metric.title} (${metric.unit})`;
}
