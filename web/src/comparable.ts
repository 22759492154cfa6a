/** What points must have in common to be compared, and what a mixture makes of a comparison. */
import type { Point } from "./api";
import type { Metric } from "./metrics";

/** A number that points are compared by. */
type Compared = Pick<Metric, "column">;

/** A condition of measurements. */
interface Condition {
  name: string;
  /** Which metrics it decides about. */
  concerns: (metric: Compared) => boolean;
  of: (point: Point) => string | null;
  warning: (values: readonly string[]) => string;
}

interface Provenance {
  producer?: string;
  power?: string;
}

function provenanceOf(point: Point): Provenance {
  const extra = point.extra as { provenance?: Provenance } | null | undefined;
  return extra?.provenance ?? {};
}

const ALWAYS = () => true;

const CONDITIONS: readonly Condition[] = [
  {
    name: "tokenizer",
    concerns: (metric) => !/conc|error_rate/.test(metric.column),
    of: (point) => point.model_prefix ?? null,
    warning: (values) => `Points of ${values.length} models (${shortened(values)}) are together. Models have different tokenizers, so a token of one is not a token of another.`,
  },
  {
    name: "lengths",
    concerns: ALWAYS,
    of: (point) => (typeof point.isl === "number" ? `${point.isl}/${point.osl}` : (point.scenario ?? null)),
    warning: (values) => `Points of ${values.length} workloads (${shortened(values)}) are together. Numbers of different lengths cannot be compared; choose one ISL/OSL.`,
  },
  {
    name: "variant",
    concerns: ALWAYS,
    of: loadOf,
    warning: (values) => `Points of different data sets or load shapes (${shortened(values)}) are together. Their lengths are distributed differently, so their numbers cannot be compared.`,
  },
  {
    name: "itl",
    concerns: (metric) => /_itl$|^itl/.test(metric.column),
    of: (point) => provenanceOf(point).producer ?? null,
    warning: (values) => `ITL comes from different programs (${shortened(values)}), which take the time between tokens or between events of the stream. Their numbers cannot be compared.`,
  },
  {
    name: "clock",
    concerns: (metric) => /_(ttft|tpot|intvty|e2el)$/.test(metric.column),
    of: (point) => provenanceOf(point).producer ?? null,
    warning: (values) => `Latencies were measured by different programs (${shortened(values)}), which start and stop their clocks at different places. A difference may be the program's.`,
  },
  {
    name: "power",
    concerns: (metric) => /joule|power|energy|watt/.test(metric.column),
    of: (point) => provenanceOf(point).power ?? null,
    warning: (values) => `Power was measured in different ways (${shortened(values)}). Numbers of energy cannot be compared.`,
  },
];

/** The parts of a variant that describe the load. Router and replicas describe the deployment. */
function loadOf(point: Point): string {
  const parts = (point.variant ?? "").split(" ").filter((part) => !/^(router|replicas)=/.test(part));
  return parts.join(" ") || "none";
}

/** The condition's values in a text of bounded length. */
function shortened(values: readonly string[]): string {
  const shown = values.slice(0, 4).join(", ");
  return values.length > 4 ? `${shown} and ${values.length - 4} more` : shown;
}

/** Columns that a guard needs besides those of the metrics: provenance, for metrics whose meaning depends on it. */
export function conditionColumns(...metrics: Compared[]): string[] {
  const needed = CONDITIONS.some((condition) => condition.concerns !== ALWAYS && metrics.some((metric) => condition.concerns(metric)));
  return needed ? ["extra"] : [];
}

/** Sentences about what must not be compared among points; empty where all have the same conditions, as far as they are known. */
export function mixtures(points: readonly Point[], ...metrics: Compared[]): string[] {
  return CONDITIONS.filter((condition) => metrics.some((metric) => condition.concerns(metric))).flatMap((condition) => {
    const values = new Set<string>();
    for (const point of points) {
      const value = condition.of(point);
      if (value !== null) values.add(value);
    }
    return values.size > 1 ? [condition.warning([...values].sort())] : [];
  });
}


/** What is known of a measurement that is no row of points, such as a value over time: enough for `mixtures`. */
export function measuredBy(producer: string | null | undefined, power?: string | null): Point {
  return { extra: { provenance: { producer: producer ?? undefined, power: power ?? undefined } } } as unknown as Point;
}
