/** The picture of a chart as SVG elements; it knows nothing of pointers and keys. */
import type { VNode } from "preact";
import { useRef } from "preact/hooks";
import type { Layout } from "./layout";
import type { ChartModel, Mark, Series } from "./model";
import type { Scale } from "./scale";
import { COLOURS, crossPath, linePath, markPath, shapeOf } from "./shapes";

/** The width of a digit of tick labels, pixels: the last label stays inside of the picture. */
const CHARACTER = 6.4;

export function colour(style: number): string {
  return `var(--c${style % COLOURS})`;
}

export function Drawing({ model, layout }: { model: ChartModel; layout: Layout }) {
  const { plot } = layout;
  const shapes = useRef<Shapes>(new WeakMap());
  const scales = JSON.stringify([layout.x.kind, layout.x.domain, layout.y.kind, layout.y.domain, plot]);
  return (
    <>
      <Axes model={model} layout={layout} />
      {(model.bands ?? []).map((band) => {
        const [left, right] = [layout.x.toPixel(band.x[0]), layout.x.toPixel(band.x[1])];
        const [top, bottom, middle] = [layout.y.toPixel(band.y[1]), layout.y.toPixel(band.y[0]), layout.y.toPixel(band.middle)];
        return (
          <g key={`${left} ${top}`}>
            <rect x={left} y={top} width={Math.max(1, right - left)} height={Math.max(1, bottom - top)} fill="var(--band)" />
            <path d={`M${left} ${middle}H${right}`} stroke="var(--muted)" stroke-dasharray="4 3" />
          </g>
        );
      })}
      {(model.rules ?? []).map((rule) => {
        const x = layout.x.toPixel(rule.x);
        const isRight = x > (plot.left + plot.right) / 2;
        return (
          <g key={rule.x}>
            <path d={`M${x} ${plot.top}V${plot.bottom}`} stroke={`var(--${rule.tone})`} stroke-width="1.5" />
            <text x={isRight ? x - 5 : x + 5} y={plot.top + 10} text-anchor={isRight ? "end" : "start"} font-size="11" font-weight="600" fill={`var(--${rule.tone})`}>
              {rule.label}
            </text>
          </g>
        );
      })}
      {model.series.map((series) => shapeIn(shapes.current, series, layout, scales))}
      {model.stamp && (
        <text x={(plot.left + plot.right) / 2} y={(plot.top + plot.bottom) / 2} text-anchor="middle" font-size={Math.max(16, Math.min(46, (plot.right - plot.left) / 14))} font-weight="800" fill="var(--worse)" fill-opacity="0.2" transform={`rotate(-14 ${(plot.left + plot.right) / 2} ${(plot.top + plot.bottom) / 2})`}>
          {model.stamp}
        </text>
      )}
      {layout.labels.map((label) => (
        <text key={`${label.x} ${label.y}`} x={label.x} y={label.y} font-size="10.5" fill="var(--muted)">
          {label.text}
        </text>
      ))}
    </>
  );
}

/** What was drawn of a line, with the scales that it was drawn by. */
type Shapes = WeakMap<Series, { scales: string; shape: VNode }>;

/** The shape of a line, and the same element while its scales are equal: hiding one of hundreds of lines leaves the others as they are. */
function shapeIn(shapes: Shapes, series: Series, { x, y }: Layout, scales: string): VNode {
  const known = shapes.get(series);
  if (known?.scales === scales) return known.shape;
  const shape = <SeriesShape key={series.name} series={series} x={x} y={y} />;
  shapes.set(series, { scales, shape });
  return shape;
}

function Axes({ model, layout }: { model: ChartModel; layout: Layout }) {
  const { plot, x, y } = layout;
  return (
    <g font-size="11" fill="var(--muted)">
      {y.ticks.map((tick) => (
        <g key={tick.at}>
          <path d={`M${plot.left} ${y.toPixel(tick.at)}H${plot.right}`} stroke="var(--grid)" />
          <text x={plot.left - 7} y={y.toPixel(tick.at) + 4} text-anchor="end">
            {tick.label}
          </text>
        </g>
      ))}
      {x.ticks.map((tick) => (
        <g key={tick.at}>
          <path d={`M${x.toPixel(tick.at)} ${plot.top}V${plot.bottom}`} stroke="var(--grid)" />
          <text x={Math.min(x.toPixel(tick.at), layout.width - (tick.label.length * CHARACTER) / 2)} y={plot.bottom + 15} text-anchor="middle">
            {tick.label}
          </text>
        </g>
      ))}
      <path d={`M${plot.left} ${plot.top}V${plot.bottom}H${plot.right}`} stroke="var(--axis)" fill="none" />
      <text x={(plot.left + plot.right) / 2} y={layout.height - 8} text-anchor="middle" fill="var(--text)">
        {model.x.title}
        {model.x.kind === "log" ? ", log" : ""}
      </text>
      <text transform={`translate(13 ${(plot.top + plot.bottom) / 2}) rotate(-90)`} text-anchor="middle" fill="var(--text)">
        {model.y.title}
        {model.y.kind === "log" ? ", log" : ""}
      </text>
    </g>
  );
}

function SeriesShape({ series, x: xs, y: ys }: { series: Series; x: Scale; y: Scale }) {
  const places = (marks: readonly Mark[]) => marks.map((mark) => [xs.toPixel(mark.x), ys.toPixel(mark.y)] as const).filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y));
  const strong = series.marks.filter((mark) => !mark.isFaint && !mark.isStruck);
  const faint = series.marks.filter((mark) => mark.isFaint && !mark.isStruck);
  const struck = series.marks.filter((mark) => mark.isStruck);
  const paint = colour(series.style);
  const shape = shapeOf(series.style);
  const dash = series.isUnofficial ? "2 4" : series.style >= COLOURS ? "6 3" : undefined;
  const warned = series.marks.filter((mark) => mark.warning !== undefined);
  const intervals = intervalPath(series, xs, ys);
  // An empty element costs as much as one that is seen, and a chart has hundreds of lines.
  return (
    <g>
      {intervals !== "" && <path d={intervals} stroke={paint} stroke-width="1.2" stroke-opacity="0.55" fill="none" />}
      <path d={series.lines.map((line) => linePath(places(line))).join("")} stroke={paint} stroke-width="1.8" stroke-linejoin="round" stroke-dasharray={dash} fill="none" />
      {!series.isOutline && faint.length > 0 && <path d={markPath(shape, places(faint), 2.5)} fill={paint} fill-opacity="0.35" />}
      {!series.isOutline && !series.isUnofficial && strong.length > 0 && <path d={markPath(shape, places(strong), 3.5)} fill={paint} />}
      {series.isUnofficial && <path d={markPath(shape, places([...strong, ...faint]), 5)} fill="var(--panel)" stroke={paint} stroke-width="2" />}
      {warned.length > 0 && <path d={places(warned).map(([x, y]) => `M${(x - 7).toFixed(1)} ${(y - 7).toFixed(1)}h14v14h-14z`).join("")} fill="none" stroke="var(--worse)" stroke-width="1.6" />}
      {struck.length > 0 && <path d={crossPath(places(struck), 5)} stroke={paint} stroke-width="2" fill="none" />}
    </g>
  );
}

function intervalPath(series: Series, xs: Scale, ys: Scale): string {
  const parts: string[] = [];
  for (const mark of series.marks) {
    const [x, y] = [xs.toPixel(mark.x), ys.toPixel(mark.y)];
    if (!Number.isFinite(x) || !Number.isFinite(y)) continue;
    if (mark.yLow !== undefined && mark.yHigh !== undefined) {
      const [low, high] = [ys.toPixel(mark.yLow), ys.toPixel(mark.yHigh)];
      if (Number.isFinite(low) && Number.isFinite(high)) parts.push(`M${(x - 3).toFixed(1)} ${low.toFixed(1)}h6m-3 0V${high.toFixed(1)}m-3 0h6`);
    }
    if (mark.xLow !== undefined && mark.xHigh !== undefined) {
      const [low, high] = [xs.toPixel(mark.xLow), xs.toPixel(mark.xHigh)];
      if (Number.isFinite(low) && Number.isFinite(high)) parts.push(`M${low.toFixed(1)} ${(y - 3).toFixed(1)}v6m0 -3H${high.toFixed(1)}m0 -3v6`);
    }
  }
  return parts.join("");
}
