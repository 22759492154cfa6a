/** The engine's own metrics during a load, beside the load over time. */
import type { ChartModel, Mark } from "../chart/model";
import { number } from "../format";

/** Shares are 0 to 1. */
export interface EngineSlice {
  second: number;
  running?: number;
  waiting?: number;
  kv_cache_use?: number;
  prefix_hit_rate?: number;
  acceptance_rate?: number;
  preemptions?: number;
}

type Figure = (slice: EngineSlice) => number | undefined;

interface Line {
  title: string;
  of: Figure;
}

const CHARTS: readonly { title: string; unit: string; lines: readonly Line[] }[] = [
  {
    title: "Requests in the engine",
    unit: "requests",
    lines: [
      { title: "Running", of: (slice) => slice.running },
      { title: "Waiting", of: (slice) => slice.waiting },
    ],
  },
  { title: "KV cache in use", unit: "%", lines: [{ title: "KV cache in use", of: (slice) => share(slice.kv_cache_use) }] },
  { title: "Prefix cache hits", unit: "%", lines: [{ title: "Prefix cache hits", of: (slice) => share(slice.prefix_hit_rate) }] },
  { title: "Draft tokens accepted", unit: "%", lines: [{ title: "Draft tokens accepted", of: (slice) => share(slice.acceptance_rate) }] },
  { title: "Preemptions", unit: "preemptions", lines: [{ title: "Preemptions", of: (slice) => slice.preemptions }] },
];

function share(part: number | undefined): number | undefined {
  return part === undefined ? undefined : part * 100;
}

/** A chart of each quantity that the engine exports. */
export function engineCharts(slices: readonly EngineSlice[]): ChartModel[] {
  return CHARTS.flatMap(({ title, unit, lines }) => {
    const series = lines.flatMap((line, style) => seriesOf(line, style, unit, slices));
    return series.length === 0 ? [] : [{ name: title, x: { title: "Second of the load", kind: "linear" as const }, y: { title: unit, kind: "linear" as const }, series }];
  });
}

function seriesOf({ title, of }: Line, style: number, unit: string, slices: readonly EngineSlice[]): ChartModel["series"][number][] {
  const marks = slices.flatMap((slice): Mark[] => {
    const y = of(slice);
    return y === undefined ? [] : [{ x: slice.second, y, isFaint: true, title: `second ${number(slice.second)}`, facts: [[title, `${number(y)} ${unit}`]] }];
  });
  return marks.length === 0 ? [] : [{ name: title, style, marks, lines: [marks] }];
}
