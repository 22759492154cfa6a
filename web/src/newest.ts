/** The newest curves of a branch, as points that know their curve. */
import { type Point, query, readPages } from "./api";

interface Curve {
  points: Point[];
  [dimension: string]: unknown;
}

export interface Newest {
  points: Point[];
  /** Whether there are more than a page of the dashboards reads. */
  isCut: boolean;
}

/** Columns that say what a point is, for requests of points alone. */
export const DESCRIBING = ["id", "run", "branch", "commit", "started", "curve", "model_prefix", "model", "precision", "hardware", "framework", "spec_decoding", "disagg", "scenario", "isl", "osl", "layout", "variant", "gpus", "conc", "image", "outcome"];

/** Describing columns that differ between the points of a curve. */
const OWN = ["id", "conc", "image", "outcome"];

/** The points of the newest curves with some columns of numbers. A model's name is taken literally where it has no wildcard. */
export async function newest(model: string | null, columns: readonly string[], address: URLSearchParams): Promise<Newest> {
  const fields = [...new Set([...OWN, ...columns])].join(",");
  const path = `/api/v1/curves${query([
    ["filter", model === null ? null : `model=${model}`],
    ["branch", address.get("branch")],
    ["as_of", address.get("as_of")],
    ["fields", fields],
    ["limit", "1000"],
  ])}`;
  const { rows, isCut } = await readPages<Curve>(path);
  const points = rows.flatMap(({ points, ...curve }) => points.map((point) => ({ ...curve, ...point }) as Point));
  return { points, isCut };
}

/** The columns of a metric and of its interval. */
export function columnsOf(...metrics: ({ column: string; interval?: string } | undefined)[]): string[] {
  return metrics.flatMap((metric) => {
    if (!metric) return [];
    return metric.interval ? [metric.column, `ci_low_${metric.interval}`, `ci_high_${metric.interval}`] : [metric.column];
  });
}
