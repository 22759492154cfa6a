/** Bars by name, the longest first. The names are text, so that long ones are broken into lines. */
import { useRef } from "preact/hooks";
import { chartCsv, save, savePng, saveSvg } from "./chart/files";
import type { ChartModel } from "./chart/model";
import { number } from "./format";

export interface Bar {
  name: string;
  value: number;
  /** What is shown at its end instead of the number. */
  text?: string;
  /** Its place among the colours. */
  style?: number;
}

interface Props {
  /** The accessible name, and that of its files. */
  name: string;
  bars: readonly Bar[];
  unit: string;
  notes: string[];
  /** What the colours stand for, in their order. */
  legend: readonly string[];
}

const ROW = 24;
const NAME_WIDTH = 400;
const BAR_WIDTH = 420;
const WIDTH = NAME_WIDTH + BAR_WIDTH + 130;
/** Characters of a name that fit beside its bar. */
const MOST_NAME = 54;

export function Bars({ name, bars, unit, notes, legend }: Props) {
  const svg = useRef<SVGSVGElement>(null);
  const longest = Math.max(...bars.map(({ value }) => value), Number.MIN_VALUE);
  const height = bars.length * ROW + 8;
  const model: ChartModel = {
    name,
    x: { title: unit, kind: "linear" },
    y: { title: "Rank", kind: "linear" },
    series: [{ name: unit, style: 0, lines: [], marks: bars.map((bar, index) => ({ x: bar.value, y: index + 1, title: bar.name, facts: [] })) }],
    notes,
  };
  return (
    <figure class="chart">
      <ul class="legend" aria-label="Colours of the bars">
        {legend.map((text, style) => (
          <li key={text}>
            <svg width="14" height="12" aria-hidden="true">
              <rect x="2" y="1" width="10" height="10" fill={`var(--c${style % 8})`} />
            </svg>
            {text}
          </li>
        ))}
      </ul>
      <div class="scroll" tabIndex={0} role="region" aria-label={`Bars: ${name}`}>
        <svg ref={svg} width={WIDTH} height={height} role="img" aria-label={`${name}, ${unit}: ${bars.map((bar) => `${bar.name} ${bar.text ?? number(bar.value)}`).join("; ")}`}>
          {bars.map((bar, index) => (
            <g key={index} font-size="12">
              <title>{bar.name}</title>
              <text x={NAME_WIDTH - 8} y={index * ROW + 18} text-anchor="end" fill="var(--text)">
                {bar.name.length > MOST_NAME ? `${bar.name.slice(0, MOST_NAME - 1)}…` : bar.name}
              </text>
              <rect x={NAME_WIDTH} y={index * ROW + 6} width={Math.max(1, (Math.max(0, bar.value) / longest) * BAR_WIDTH)} height={ROW - 8} fill={`var(--c${(bar.style ?? 0) % 8})`} />
              <text x={NAME_WIDTH + Math.max(1, (Math.max(0, bar.value) / longest) * BAR_WIDTH) + 6} y={index * ROW + 18} fill="var(--muted)">
                {bar.text ?? number(bar.value)}
              </text>
            </g>
          ))}
        </svg>
      </div>
      <div class="tools">
        <button type="button" onClick={() => svg.current && saveSvg(svg.current, model)}>
          SVG
        </button>
        <button type="button" onClick={() => svg.current && void savePng(svg.current, model)}>
          PNG
        </button>
        <button type="button" onClick={() => save(`${name}.csv`, "text/csv", chartCsv(model))}>
          CSV
        </button>
        <span class="muted">{unit}; the table below has all numbers.</span>
      </div>
    </figure>
  );
}
