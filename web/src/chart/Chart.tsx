/** A chart with its legend, what is shown under the pointer or by keys, its files and its table. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { go, set, useAddress } from "../address";
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

interface Props {
  model: ChartModel;
  height?: number;
  isSmall?: boolean;
  /** The key of the address in which hidden lines are named, for a chart whose lines can be hidden. */
  hideKey?: string;
}

export function Chart({ model: whole, height = 420, isSmall = false, hideKey }: Props) {
  const { query } = useAddress();
  const hidden = hideKey === undefined ? [] : query.getAll(hideKey);
  const hiddenKey = hidden.join("\n");
  const model = useMemo(() => shownOf(whole, hidden), [whole, hiddenKey]);
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
  const warning = chosen?.mark.warning === undefined ? "" : ` Note: ${chosen.mark.warning}`;
  const facts = chosen ? `${chosen.mark.title}. ${chosen.mark.facts.map(([name, value]) => `${name} ${value}`).join(", ")}${warning}` : "";

  return (
    <figure class="chart">
      {!isSmall && <Legend model={whole} hidden={hidden} hideKey={hideKey} />}
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

function shownOf(model: ChartModel, hidden: readonly string[]): ChartModel {
  return hidden.length === 0 ? model : { ...model, series: model.series.filter(({ name }) => !hidden.includes(name)) };
}

/** The lines, which are hidden and shown one by one, or all but one at once. */
function Legend({ model, hidden, hideKey }: { model: ChartModel; hidden: readonly string[]; hideKey: string | undefined }) {
  const shown = model.series.slice(0, MOST_LEGEND);
  const names = model.series.map(({ name }) => name);
  const hide = (next: readonly string[]) => hideKey !== undefined && set({ [hideKey]: next.length === 0 ? null : next });
  const isAnyHidden = names.some((name) => hidden.includes(name));
  const canHide = hideKey !== undefined && (names.length > 1 || isAnyHidden);
  const rest = model.series.length - shown.length;
  return (
    <ul class="legend" aria-label="Lines of the chart">
      {shown.map((series) => (
        <li key={series.name}>
          <svg width="14" height="12" aria-hidden="true">
            <path d={markPath(shapeOf(series.style), [[7, 6]], 4)} fill={colour(series.style)} />
          </svg>
          {canHide ? (
            <>
              <button type="button" class="line" aria-pressed={!hidden.includes(series.name)} title="Hide or show this line" onClick={() => hide(hidden.includes(series.name) ? hidden.filter((name) => name !== series.name) : [...hidden, series.name])}>
                {series.name}
              </button>
              <button type="button" class="only" aria-label={`Show only ${series.name}`} onClick={() => hide(names.filter((name) => name !== series.name))}>
                only
              </button>
            </>
          ) : (
            series.name
          )}
          {series.isUnofficial && <strong class="worse-text">not official</strong>}
        </li>
      ))}
      {rest > 0 && <li class="muted">and {rest} more</li>}
      {hidden
        .filter((name) => !names.includes(name))
        .map((name) => (
          <li key={`hidden ${name}`} class="unknown">
            no line {name}
          </li>
        ))}
      {canHide && isAnyHidden && (
        <li>
          <button type="button" class="more" onClick={() => hide([])}>
            Show all {names.length} lines
          </button>
        </li>
      )}
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
      {place.series.isUnofficial && <p class="stamp">NOT OFFICIAL</p>}
      {place.mark.warning !== undefined && <p class="worse-text">⚠ {place.mark.warning}</p>}
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
