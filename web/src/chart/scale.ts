/** Scales of axes: numbers to pixels, and where ticks are. */

export type AxisKind = "linear" | "log" | "time";

export interface Tick {
  at: number;
  label: string;
}

export interface Scale {
  kind: AxisKind;
  domain: readonly [number, number];
  toPixel: (value: number) => number;
  ticks: Tick[];
}

/** The least distance between ticks, pixels. */
const TICK_DISTANCE = { x: 76, y: 38 };
const MINUTE = 60_000;
const DAY = 86_400_000;

/** A scale whose domain holds all values. A log scale leaves values out that are not positive. */
export function scaleOf(kind: AxisKind, values: readonly number[], pixels: readonly [number, number], axis: "x" | "y"): Scale {
  const most = Math.max(2, Math.floor(Math.abs(pixels[1] - pixels[0]) / TICK_DISTANCE[axis]));
  const usable = kind === "log" ? values.filter((value) => value > 0) : values;
  let low = Infinity;
  let high = -Infinity;
  for (const value of usable) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low > high) [low, high] = kind === "log" ? [1, 10] : [0, 1];
  const domain = kind === "log" ? widenedLog(low, high) : kind === "time" ? widenedTime(low, high) : widened(low, high);
  const transform = kind === "log" ? Math.log10 : (value: number) => value;
  const [from, to] = [transform(domain[0]), transform(domain[1])];
  const factor = (pixels[1] - pixels[0]) / (to - from);
  const ticks = kind === "log" ? logTicks(domain, most) : kind === "time" ? timeTicks(domain, most) : linearTicks(domain, most);
  return { kind, domain, toPixel: (value) => pixels[0] + (transform(value) - from) * factor, ticks };
}

/** A scale whose ticks are names at whole numbers; of many names some are left out. */
export function categoryScale(categories: readonly string[], pixels: readonly [number, number]): Scale {
  const domain: [number, number] = [-0.5, Math.max(0.5, categories.length - 0.5)];
  const factor = (pixels[1] - pixels[0]) / (domain[1] - domain[0]);
  const most = Math.max(1, Math.floor(Math.abs(pixels[1] - pixels[0]) / CATEGORY_DISTANCE));
  const every = Math.ceil(categories.length / most);
  const ticks = categories.flatMap((name, at) => (at % every === 0 ? [{ at, label: cut(name) }] : []));
  return { kind: "linear", domain, toPixel: (value) => pixels[0] + (value - domain[0]) * factor, ticks };
}

const CATEGORY_DISTANCE = 92;
const MOST_CHARACTERS = 14;

/** The end of a long name, where versions and digests differ. */
function cut(name: string): string {
  return name.length > MOST_CHARACTERS ? `…${name.slice(1 - MOST_CHARACTERS)}` : name;
}

/** Values that differ by less than this part are equal: between them ticks would be closer to each other than numbers can be. */
const EQUAL = 1e-9;

function areEqual(low: number, high: number): boolean {
  return high - low <= Math.max(Math.abs(low), Math.abs(high)) * EQUAL;
}

/** From zero where the values are not far from it, else with a margin. */
function widened(low: number, high: number): [number, number] {
  if (areEqual(low, high)) return low === 0 ? [0, 1] : [low - Math.abs(low) * 0.1, high + Math.abs(high) * 0.1];
  const margin = (high - low) * 0.06;
  const isNearZero = low >= 0 && low < high * 0.5;
  return [isNearZero ? 0 : low - margin, high + margin];
}

function widenedLog(low: number, high: number): [number, number] {
  const factor = areEqual(low, high) ? 2 : (high / low) ** 0.05;
  return [low / factor, high * factor];
}

function widenedTime(low: number, high: number): [number, number] {
  const margin = high - low < MINUTE ? DAY : (high - low) * 0.03;
  return [low - margin, high + margin];
}

function linearTicks([low, high]: readonly [number, number], most: number): Tick[] {
  const rough = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough) ?? rough;
  const ticks: Tick[] = [];
  for (let index = Math.ceil(low / step); index * step <= high + step * 1e-9; index += 1) ticks.push({ at: index * step, label: short(index * step) });
  return ticks;
}

function logTicks([low, high]: readonly [number, number], most: number): Tick[] {
  for (const factors of [[1, 2, 3, 5, 7], [1, 2, 5], [1, 3], [1]]) {
    const ticks: Tick[] = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
      for (const factor of factors) {
        const at = factor * 10 ** power;
        if (at >= low && at <= high) ticks.push({ at, label: short(at) });
      }
    }
    if (ticks.length <= most && ticks.length >= 2) return ticks;
  }
  return high / low < 10 ? linearTicks([low, high], most) : [];
}

/** Whole days, or hours and minutes where there are few of them, at midnight UTC. */
function timeTicks([low, high]: readonly [number, number], most: number): Tick[] {
  const minutes = [1, 2, 5, 10, 15, 30].map((count) => count * MINUTE);
  const steps = [...minutes, DAY / 24, DAY / 8, DAY / 4, DAY / 2, DAY, 2 * DAY, 3 * DAY, 7 * DAY, 14 * DAY, 30 * DAY, 91 * DAY, 182 * DAY, 365 * DAY, 730 * DAY];
  const step = steps.find((candidate) => (high - low) / candidate <= most) ?? 3650 * DAY;
  const ticks: Tick[] = [];
  for (let at = Math.ceil(low / step) * step; at <= high; at += step) {
    const text = new Date(at).toISOString();
    ticks.push({ at, label: step < DAY ? text.slice(5, 16).replace("T", " ") : step >= 30 * DAY ? text.slice(0, 10) : text.slice(5, 10) });
  }
  return ticks;
}

/** `12k` for 12,000; numbers of ticks have few digits. */
export function short(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e9) return `${trimmed(value / 1e9)}G`;
  if (size >= 1e6) return `${trimmed(value / 1e6)}M`;
  if (size >= 1e4) return `${trimmed(value / 1e3)}k`;
  return size > 0 && size < 0.001 ? value.toExponential(0) : trimmed(value);
}

function trimmed(value: number): string {
  return String(Number(value.toPrecision(4)));
}
