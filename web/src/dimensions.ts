/** The dimensions of points: what facets filter by, lines are drawn by and tables group by. */
import { onSameData } from "./address";
import type { Point } from "./api";
import { tokens } from "./format";

export interface Dimension {
  /** Its key in the address. */
  key: string;
  title: string;
  of: (point: Point) => string;
}

function text(value: unknown): string {
  return value === null || value === undefined || value === "" ? "–" : String(value);
}

export const MODEL: Dimension = { key: "model", title: "Model", of: (point) => text(point.model_prefix) };
export const HARDWARE: Dimension = { key: "hardware", title: "Hardware", of: (point) => text(point.hardware) };
export const SEQUENCE: Dimension = { key: "sequence", title: "ISL/OSL", of: sequence };
export const FRAMEWORK: Dimension = { key: "framework", title: "Engine", of: engine };
export const PRECISION: Dimension = { key: "precision", title: "Precision", of: (point) => text(point.precision) };

export const DIMENSIONS: Dimension[] = [
  MODEL,
  SEQUENCE,
  HARDWARE,
  FRAMEWORK,
  PRECISION,
  { key: "layout", title: "Layout", of: (point) => text(point.layout) },
  { key: "version", title: "Image", of: (point) => text(point.image) },
  { key: "run", title: "Run", of: (point) => text(point.run) },
];

/** The engine with its speculative decoding and disaggregation, which make another configuration of it. */
function engine(point: Point): string {
  const speculative = point.spec_decoding && point.spec_decoding !== "none" ? ` +${point.spec_decoding}` : "";
  return `${text(point.framework)}${speculative}${point.disagg ? " disagg" : ""}`;
}

function sequence(point: Point): string {
  if (typeof point.isl !== "number" || typeof point.osl !== "number") return text(point.scenario);
  return `${tokens(point.isl)}/${tokens(point.osl)}`;
}

/** A workload's short name in the form of the other pages: `1k1k` and `256_64` as `1k/1k` and `256/64`. */
export function lengths(name: string): string {
  return name.replace(/^(\d+k?)_?(\d+k?)$/, "$1/$2");
}

/** The values of a point in some dimensions, without those that it lacks. */
export function lineOf(point: Point, dimensions: readonly Dimension[]): string {
  const values = dimensions.map((dimension) => dimension.of(point));
  return values.filter((value) => value !== text(null)).join(" · ");
}

/** What a point is called where there is room for a line. */
export function nameOf(point: Point): string {
  return [...DIMENSIONS.slice(0, 6).map((dimension) => dimension.of(point)), `conc ${text(point.conc)}`].join(" ");
}

/** The address of a point's page. The curve is named by as many digits as make it unique in practice. */
export function pageOf(point: Point): string {
  return onSameData("/point", [["run", String(point.run)], ["curve", (point.curve ?? "").slice(0, 16)], ["conc", String(point.conc)]]);
}

/** The key of a curve, as series, frontiers and comparisons have it. */
export interface CurveKey {
  "model-prefix": string;
  precision: string;
  runner: string;
  framework: string;
  "spec-decoding"?: string;
  disagg?: boolean;
  workload?: { "fixed-seq-len"?: { isl: number; osl: number } };
  layout?: string;
}

/** The dimensions of a key, as of a point that has no numbers. */
export function pointOfKey(key: CurveKey): Point {
  const lengths = key.workload?.["fixed-seq-len"];
  return {
    model_prefix: key["model-prefix"],
    precision: key.precision,
    hardware: key.runner,
    framework: key.framework,
    spec_decoding: key["spec-decoding"] ?? null,
    disagg: key.disagg ?? false,
    layout: key.layout ?? null,
    scenario: lengths ? "fixed-seq-len" : null,
    isl: lengths?.isl ?? null,
    osl: lengths?.osl ?? null,
  } as Point;
}

/** The dimensions that name a point in a run, when its curve's number is not known. */
const NAMING = DIMENSIONS.slice(0, 6);

/** The address of the page of a key's point in a run. */
export function pageOfKey(key: CurveKey, conc: number, run: number): string {
  const point = pointOfKey(key);
  const names = NAMING.map((dimension) => [dimension.key, dimension.of(point)] as const);
  return onSameData("/point", [["run", String(run)], ...names, ["conc", String(conc)]]);
}

/** Whether a point is the one that an address of a point's page names. */
export function isNamed(point: Point, query: URLSearchParams): boolean {
  const isOfCurve = (point.curve ?? "").startsWith(query.get("curve") ?? "");
  return isOfCurve && NAMING.every(({ key, of }) => (query.get(key) ?? of(point)) === of(point));
}
