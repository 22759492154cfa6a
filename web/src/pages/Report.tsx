/** The report of a run: the text that the document has without scripts, with charts in it. */
import { render } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { query as queryOf, read, useLoaded, valueOf } from "../api";
import { Chart } from "../chart/Chart";
import type { Mark, Series } from "../chart/model";
import { type CurveKey, DIMENSIONS, FRAMEWORK, HARDWARE, MODEL, nameOf, pointOfKey } from "../dimensions";
import { number } from "../format";
import { metricById, metricOf } from "../metrics";
import { newest } from "../newest";
import { Ready } from "../parts";
import { makeSortable, REPORT } from "../source/report";
import { DESCRIPTION } from "../source/source";
import { chartOf } from "./Performance";

let isSortable = false;

export function Report() {
  const frame = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!REPORT) return undefined;
    if (!isSortable) makeSortable(REPORT.querySelectorAll("table"));
    isSortable = true;
    frame.current?.append(REPORT);
    const place = REPORT.querySelector("#charts");
    if (place) render(<Charts />, place);
    return () => {
      if (place) render(null, place);
    };
  }, []);
  return <div ref={frame} />;
}

interface Compared {
  comparison: { points: { point: { curve: CurveKey; conc: number }; changes: { metric: string; base: number }[] }[] };
}

/** Throughput per GPU against interactivity of each model and workload, beside what they are compared with. */
function Charts() {
  const loaded = useLoaded("report", () => newest(null, ["tput_per_gpu", "median_intvty", "median_ttft", "median_tpot", "median_e2el", "ci_low_tput_per_gpu", "ci_high_tput_per_gpu", "ci_low_intvty", "ci_high_intvty"], new URLSearchParams()));
  const { compared } = DESCRIPTION;
  const base = useLoaded(compared ? "base" : null, () => read<Compared>(`/api/v1/compare${queryOf([["base", compared?.base], ["head", compared?.head]])}`));
  const [x, y] = [metricOf("median_intvty"), metricOf("tput_per_gpu")];
  const sequence = DIMENSIONS.find(({ key }) => key === "sequence");
  if (!x || !y || !sequence) return null;
  return (
    <Ready of={loaded}>
      {({ points }) => {
        const names = [...new Set(points.map((point) => `${MODEL.of(point)} ${sequence.of(point)}`))].sort();
        return names.map((name) => {
          const of = points.filter((point) => `${MODEL.of(point)} ${sequence.of(point)}` === name);
          const model = chartOf(of, [], [], x, y, new URLSearchParams(), name);
          const before = baseOf(valueOf(base), name, model.series.length);
          return (
            <section key={name}>
              <h2>{name}</h2>
              <Chart model={{ ...model, series: [...model.series, ...before] }} height={400} />
              <p>
                <a href={`/performance?model=${encodeURIComponent(name.split(" ")[0] ?? "")}`}>Other axes, filters and frontiers</a>
              </p>
            </section>
          );
        });
      }}
    </Ready>
  );
}

/** The points of the base, from the comparison. */
function baseOf(compared: Compared | undefined, name: string, style: number): Series[] {
  const sequence = DIMENSIONS.find(({ key }) => key === "sequence");
  const [x, y] = [metricById("interactivity"), metricById("throughput-per-gpu")];
  const lines = new Map<string, Mark[]>();
  for (const { point, changes } of compared?.comparison.points ?? []) {
    const shown = pointOfKey(point.curve);
    const [left, right] = ["interactivity", "throughput-per-gpu"].map((metric) => changes.find((change) => change.metric === metric)?.base);
    if (left === undefined || right === undefined || `${MODEL.of(shown)} ${sequence?.of(shown)}` !== name) continue;
    const curve = `${HARDWARE.of(shown)} · ${FRAMEWORK.of(shown)} · ${shown.precision}`;
    const facts = [["Interactivity", `${number(left)} ${x?.unit}`], ["Throughput", `${number(right)} ${y?.unit}`]] as const;
    const mark: Mark = { x: left, y: right, title: `${nameOf({ ...shown, conc: point.conc })} in the base`, facts, isFaint: true };
    lines.set(curve, [...(lines.get(curve) ?? []), mark]);
  }
  return [...lines].map(([curve, marks], at) => ({ name: `${curve} (base)`, style: style + at, marks, lines: [] }));
}
