/** A chart with its legend, what is shown under the pointer or by keys, its files and its table. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { go } from "../address";
import { chartCsv, save, savePng, saveSvg } from "./files";
import { ChartTable } from "./ChartTable";
import { colour, Drawing } from "./Drawing";
import { type Layout, layoutOf, nearest } from "./layout";
import type { ChartModel } from "./model";
import { markPath, shapeOf } from "./shapes";

/** Pixels between a pointer and a mark that it means. */
const REACH = 28;
/** More entries of a legend than this hide the chart. */
const MOST_LEGEND = 24;

export function Chart({ model, height = 420, isSmall = false }: { model: ChartModel; height?: number; isSmall?: boolean }) {
  const [frame, width] = useWidth();
  const layout = useMemo(() => layoutOf(model, width, height), [model, width, height]);
  // The same element each time: thousands of points are not compared again while the pointer moves.
  const drawing = useMemo(() => <Drawing model={model} layout={layout} />, [model, layout]);
  const [at, choose] = useState<number | null>(null);
  const svg = useRef<SVGSVGElement>(null);
  useEffect(() => choose(null), [layout]);
  const chosen = at === null ? null : (layout.places[at] ?? null);

  const point = (event: PointerEvent) => {
    const box = svg.current?.getBoundingClientRect();
    return box ? nearest(layout, event.clientX - box.left, event.clientY - box.top, REACH) : null;
  };
  const open = () => {
    if (chosen?.mark.href) go(chosen.mark.href);
  };
  const key = (event: KeyboardEvent) => {
    const last = layout.places.length - 1;
    const next = { ArrowRight: (at ?? -1) + 1, ArrowLeft: (at ?? last + 1) - 1, Home: 0, End: last }[event.key];
    if (next !== undefined && last >= 0) {
      event.preventDefault();
      choose(Math.min(last, Math.max(0, next)));
    } else if (event.key === "Enter") open();
    else if (event.key === "Escape") choose(null);
  };
  const facts = chosen ? `${chosen.mark.title}. ${chosen.mark.facts.map(([name, value]) => `${name} ${value}`).join(", ")}` : "";

  return (
    <figure class="chart">
      {!isSmall && <Legend model={model} />}
      <div class="frame" ref={frame}>
        {width > 0 && (
          <svg
            ref={svg}
            width={width}
            height={height}
            role="application"
            aria-roledescription="chart"
            aria-label={`${model.name}. Arrow keys go through its ${layout.places.length} points.`}
            tabIndex={0}
            onPointerMove={(event) => choose(point(event))}
            onPointerDown={(event) => choose(point(event))}
            onPointerLeave={() => choose(null)}
            onBlur={() => choose(null)}
            onKeyDown={key}
            onClick={open}
            class={chosen?.mark.href ? "clickable" : undefined}
          >
            {drawing}
            {chosen && <circle cx={chosen.x} cy={chosen.y} r="8" fill="none" stroke="var(--text)" stroke-width="1.5" />}
          </svg>
        )}
        {layout.places.length === 0 && <p class="empty over">No point has both numbers.</p>}
        {chosen && <Tip layout={layout} index={at ?? 0} />}
      </div>
      <p class="sr" aria-live="polite">
        {facts}
      </p>
      <div class="tools">
        <button type="button" onClick={() => svg.current && saveSvg(svg.current, model)}>
          SVG
        </button>
        <button type="button" onClick={() => svg.current && void savePng(svg.current, model)}>
          PNG
        </button>
        <button type="button" onClick={() => save(`${model.name}.csv`, "text/csv", chartCsv(model))}>
          CSV
        </button>
        <ChartTable model={model} />
      </div>
    </figure>
  );
}

function Legend({ model }: { model: ChartModel }) {
  const shown = model.series.slice(0, MOST_LEGEND);
  return (
    <ul class="legend" aria-label="Lines of the chart">
      {shown.map((series) => (
        <li key={series.name}>
          <svg width="14" height="12" aria-hidden="true">
            <path d={markPath(shapeOf(series.style), [[7, 6]], 4)} fill={colour(series.style)} />
          </svg>
          {series.name}
        </li>
      ))}
      {model.series.length > shown.length && <li class="muted">and {model.series.length - shown.length} more</li>}
    </ul>
  );
}

function Tip({ layout, index }: { layout: Layout; index: number }) {
  const place = layout.places[index];
  if (!place) return null;
  const isRight = place.x > layout.width / 2;
  const style: Record<string, string> = { top: `${Math.max(4, Math.min(place.y - 20, layout.height - 190))}px` };
  if (isRight) style["right"] = `${layout.width - place.x + 14}px`;
  else style["left"] = `${place.x + 14}px`;
  return (
    <div class="tip" style={style} aria-hidden="true">
      <strong>{place.mark.title}</strong>
      <dl>
        {place.mark.facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}

/** An element and its width. */
function useWidth() {
  const frame = useRef<HTMLDivElement>(null);
  const [width, update] = useState(0);
  useEffect(() => {
    const element = frame.current;
    if (!element) return undefined;
    update(Math.floor(element.clientWidth));
    const observer = new ResizeObserver(() => update(Math.floor(element.clientWidth)));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return [frame, width] as const;
}
