/** A chart's model to pixels. */
import type { ChartModel, Mark, Series } from "./model";
import { categoryScale, type Scale, scaleOf } from "./scale";

export interface Place {
  x: number;
  y: number;
  mark: Mark;
  series: Series;
}

export interface Label {
  x: number;
  y: number;
  text: string;
}

export interface Layout {
  width: number;
  height: number;
  plot: { left: number; right: number; top: number; bottom: number };
  x: Scale;
  y: Scale;
  /** All marks that the axes can show, series by series, from left to right. */
  places: Place[];
  labels: Label[];
}

/** More labels than this say less than none. */
const MOST_LABELS = 60;
const LABEL = { width: 6, height: 14, gap: 4 };

export function layoutOf(model: ChartModel, width: number, height: number): Layout {
  const plot = { left: 58, right: width - 14, top: 14, bottom: height - 42 };
  const xs: number[] = [];
  const ys: number[] = [];
  for (const series of model.series) {
    for (const mark of series.marks) {
      xs.push(mark.x, mark.xLow ?? mark.x, mark.xHigh ?? mark.x);
      ys.push(mark.y, mark.yLow ?? mark.y, mark.yHigh ?? mark.y);
    }
  }
  for (const band of model.bands ?? []) {
    xs.push(...band.x);
    ys.push(...band.y);
  }
  const x = model.x.categories ? categoryScale(model.x.categories, [plot.left, plot.right]) : scaleOf(model.x.kind, xs, [plot.left, plot.right], "x");
  const y = scaleOf(model.y.kind, ys, [plot.bottom, plot.top], "y");
  const places = model.series.flatMap((series) => placesOf(series, x, y));
  return { width, height, plot, x, y, places, labels: model.hasLabels ? labelsOf(places, plot) : [] };
}

function placesOf(series: Series, x: Scale, y: Scale): Place[] {
  const places: Place[] = [];
  if (series.isOutline) return places;
  for (const mark of series.marks) {
    const [left, top] = [x.toPixel(mark.x), y.toPixel(mark.y)];
    if (Number.isFinite(left) && Number.isFinite(top)) places.push({ x: left, y: top, mark, series });
  }
  return places.sort((one, other) => one.x - other.x);
}

/** Labels that cover no other label and no mark of a line; on crowded charts few are left. */
function labelsOf(places: Place[], plot: Layout["plot"]): Label[] {
  const labels: (Label & { width: number })[] = [];
  const strong = places.filter(({ mark }) => !mark.isFaint);
  const byX = [...strong].sort((one, other) => one.x - other.x);
  for (const { x, y, mark } of strong) {
    if (labels.length >= MOST_LABELS) break;
    if (!mark.label) continue;
    const width = mark.label.length * LABEL.width + LABEL.gap;
    const label = { x: x + 7, y: y - 6, text: mark.label, width };
    if (label.x + width > plot.right || label.y < plot.top + 8) continue;
    const isOnLabel = labels.some((other) => label.x < other.x + other.width && other.x < label.x + width && Math.abs(label.y - other.y) < LABEL.height);
    if (!isOnLabel && !isOnMark(label, byX)) labels.push(label);
  }
  return labels;
}

/** Whether a label covers a mark. Only the marks above and below it are looked at: of thousands, comparing each with each takes longer than drawing. */
function isOnMark({ x, y, width }: Label & { width: number }, byX: readonly Place[]): boolean {
  let [from, to] = [0, byX.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((byX[middle]?.x ?? 0) > x - 2) to = middle;
    else from = middle + 1;
  }
  for (let index = from; index < byX.length; index += 1) {
    const mark = byX[index];
    if (!mark || mark.x >= x + width) return false;
    if (mark.y > y - LABEL.height && mark.y < y + 4) return true;
  }
  return false;
}

/** The mark nearest to a pixel, within reach. */
export function nearest(layout: Layout, x: number, y: number, reach: number): number | null {
  let found: number | null = null;
  let best = reach * reach;
  layout.places.forEach((place, index) => {
    const distance = (place.x - x) ** 2 + (place.y - y) ** 2;
    if (distance < best) [best, found] = [distance, index];
  });
  return found;
}
