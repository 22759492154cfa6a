/** Deployments of llm-d: pods of prefill and decode, replicas, router; and the same beside engines on their own. */
import { useMemo } from "preact/hooks";
import { useAddress } from "../address";
import { type Page, query as queryOf, read, useLoaded, valueOf } from "../api";
import { Chart } from "../chart/Chart";
import type { ChartModel, Mark } from "../chart/model";
import { DataTable } from "../DataTable";
import { type Deployed, deployments, deploymentsPath, LAYOUT, OUTPUT_PER_GPU, PROFILE, profile, ROUTED_DIMENSIONS, VERSION } from "../deployments";
import { DeploymentPlot, measureOf, MEASURES } from "../DeploymentPlot";
import { type Dimension, HARDWARE, MODEL, pageOf } from "../dimensions";
import { Facets } from "../Facets";
import { count, number, percent } from "../format";
import { Card, Ready, Select } from "../parts";
import { RATIO_METRICS, type Ratio, RatioTable } from "../RatioTable";
import { RuntimeArguments } from "../RuntimeArguments";
import { choiceOf, select } from "../selection";

const ROUTER: Dimension = { key: "router", title: "Router", of: (point) => (point as Deployed).router ?? "–" };
const REPLICAS: Dimension = { key: "replicas", title: "Replicas", of: (point) => `${(point as Deployed).replicas} replicas` };
const LINES = [VERSION, LAYOUT, ROUTER, REPLICAS, HARDWARE, MODEL, PROFILE];

export function Llmd() {
  const { query } = useAddress();
  const path = deploymentsPath(query);
  const loaded = useLoaded(path, () => deployments(path));
  const everything = valueOf(loaded) ?? [];
  const all = everything.filter((point) => point.family === "llm-d");
  const choice = choiceOf(query, ROUTED_DIMENSIONS);
  const chosen = select(all, choice, ROUTED_DIMENSIONS) as Deployed[];
  const lines = LINES.filter((dimension) => dimension === LAYOUT || new Set(chosen.map(dimension.of)).size > 1);
  return (
    <div class="withfacets">
      <Facets points={all} choice={choice} dimensions={ROUTED_DIMENSIONS} />
      <div class="content">
        <h1>LLM-D</h1>
        <Ready of={loaded}>
          {() =>
            all.length === 0 ? (
              <p class="empty">
                No deployment with a router, or with prefill and decode apart, is in this history: <code>imax import llmd-dashboard.csv --to history.db</code>.
              </p>
            ) : (
              <>
                <Summary points={chosen} />
                <DeploymentPlot name="LLM-D" points={chosen} lines={lines} />
                <Roles points={chosen} />
                <RatioSweep points={chosen} />
                <BesideAlone everything={everything} />
                <h2>Arguments and router</h2>
                <RuntimeArguments points={chosen} by={lines} />
              </>
            )
          }
        </Ready>
      </div>
    </div>
  );
}

function Summary({ points }: { points: readonly Deployed[] }) {
  const apart = points.filter((point) => point.prefill_pods !== null);
  const splits = new Set(apart.map((point) => `${point.prefill_pods}:${point.decode_pods}`));
  const best = points.reduce<Deployed | null>((known, point) => ((OUTPUT_PER_GPU.of(point) ?? -1) > (known ? (OUTPUT_PER_GPU.of(known) ?? -1) : -1) ? point : known), null);
  return (
    <div class="cards">
      <Card title="Points" value={points.length} note={`${apart.length} with prefill and decode apart`} />
      <Card title="Splits of pods (prefill:decode)" value={splits.size} note={[...splits].sort().join(", ")} />
      <Card title="Routers" value={new Set(points.flatMap((point) => point.router ?? [])).size} note={`replicas ${[...new Set(points.map((point) => point.replicas))].sort((one, other) => one - other).join(", ")}`} />
      <Card title="Most output per GPU" value={number(best && OUTPUT_PER_GPU.of(best))} note={best ? `tok/s, ${best.layout} conc ${best.conc}` : undefined} />
    </div>
  );
}

const milliseconds = (value: unknown) => (typeof value === "number" ? value * 1e3 : null);

function Roles({ points }: { points: readonly Deployed[] }) {
  return (
    <>
      <h2>By role</h2>
      <DataTable
        name="LLM-D by role"
        rows={points}
        order="layout"
        orderKey="roles"
        page={25}
        notes={["prefill: input tokens / duration / GPUs of prefill, TTFT; decode: output tokens / duration / GPUs of decode, TPOT. Engines whose roles are together count all GPUs for both."]}
        columns={[
          { key: "layout", title: "Layout", value: (point) => point.layout ?? null },
          { key: "model", title: "Model", value: MODEL.of },
          { key: "profile", title: "Profile", value: PROFILE.of },
          { key: "conc", title: "Conc", isNumber: true, value: (point) => point.conc ?? null, show: (point) => <a href={pageOf(point)}>{point.conc}</a> },
          { key: "prefill", title: "Prefill pods × TP", value: (point) => point.prefill_pods, show: (point) => (point.prefill_pods === null ? "–" : `${point.prefill_pods} × ${point.prefill_tp}`) },
          { key: "input", title: "Input tok/s per prefill GPU", isNumber: true, value: (point) => point.input_tput_per_gpu ?? null, show: (point) => number(point.input_tput_per_gpu) },
          { key: "ttft", title: "TTFT (ms)", isNumber: true, value: (point) => milliseconds(point.median_ttft), show: (point) => number(milliseconds(point.median_ttft)) },
          { key: "ttft99", title: "TTFT p99 (ms)", isNumber: true, value: (point) => milliseconds(point.p99_ttft), show: (point) => number(milliseconds(point.p99_ttft)) },
          { key: "decode", title: "Decode pods × TP", value: (point) => point.decode_pods, show: (point) => (point.decode_pods === null ? "–" : `${point.decode_pods} × ${point.decode_tp}`) },
          { key: "output", title: "Output tok/s per decode GPU", isNumber: true, value: (point) => point.output_tput_per_gpu ?? null, show: (point) => number(point.output_tput_per_gpu) },
          { key: "tpot", title: "TPOT (ms)", isNumber: true, value: (point) => milliseconds(point.median_tpot), show: (point) => number(milliseconds(point.median_tpot)) },
          { key: "replicas", title: "Replicas", isNumber: true, value: (point) => point.replicas },
          { key: "router", title: "Router", isLong: true, value: (point) => point.router },
          { key: "gpus", title: "GPUs", isNumber: true, value: (point) => point.gpus ?? null },
        ]}
      />
    </>
  );
}

const SWEPT = MEASURES.filter(({ key }) => ["tput_per_gpu", "output_tput_per_any_gpu", "median_ttft", "p99_ttft", "median_tpot", "median_intvty", "median_e2el"].includes(key));

/** How a number depends on the ratio of prefill to decode, at one concurrency or at the best. */
function RatioSweep({ points }: { points: readonly Deployed[] }) {
  const { query } = useAddress();
  const apart = points.filter((point) => point.prefill_per_decode_gpu !== null);
  const measure = measureOf(query.get("sweep") ?? "tput_per_gpu") ?? OUTPUT_PER_GPU;
  const loads = [...new Set(apart.map((point) => point.conc ?? 0))].sort((one, other) => one - other);
  const load = query.get("at") ?? "";
  const model = useMemo(() => sweepOf(apart, measure, load), [points, measure, load]);
  return (
    <>
      <h2>Ratio of prefill to decode</h2>
      {apart.length === 0 ? (
        <p class="muted">None of these points has prefill and decode apart.</p>
      ) : (
        <>
          <div class="controls">
            <Select label="Metric" name="sweep" options={SWEPT.map(({ key, title, unit }) => ({ value: key, title: `${title} (${unit})` }))} fallback="tput_per_gpu" />
            <Select label="Concurrency" name="at" options={[{ value: "", title: "the best of each" }, ...loads.map((value) => ({ value: String(value), title: String(value) }))]} fallback="" />
          </div>
          <Chart model={model} height={340} />
          <p class="muted">A line joins the best layouts of one model, accelerator, precision and profile with equal numbers of GPUs, others are faint; 1 means as many GPUs for prefill as for decode.</p>
        </>
      )}
    </>
  );
}

/** The best mark at each ratio, from left to right: layouts of one ratio differ in the size of their pods. */
function bestOfEach(marks: readonly Mark[], better: "higher" | "lower"): Mark[] {
  const best = new Map<number, Mark>();
  for (const mark of marks) {
    const known = best.get(mark.x);
    if (!known || (better === "higher" ? mark.y > known.y : mark.y < known.y)) best.set(mark.x, mark);
  }
  return [...best.values()];
}

function sweepOf(points: readonly Deployed[], measure: NonNullable<ReturnType<typeof measureOf>>, load: string): ChartModel {
  const lines = new Map<string, Map<string, Deployed>>();
  for (const point of points) {
    const value = measure.of(point);
    if (value === null || (load !== "" && String(point.conc) !== load)) continue;
    const name = `${MODEL.of(point)} · ${HARDWARE.of(point)} · ${point.precision} · ${profile(point)} · ${point.gpus} GPUs`;
    const line = lines.get(name) ?? new Map<string, Deployed>();
    lines.set(name, line);
    const known = line.get(point.layout ?? "");
    const before = known ? (measure.of(known) ?? 0) : null;
    if (before === null || (measure.better === "lower" ? value < before : value > before)) line.set(point.layout ?? "", point);
  }
  return {
    name: `LLM-D: ${measure.title} by ratio of prefill to decode`,
    x: { title: "GPUs of prefill for each one of decode", kind: "log" },
    y: { title: `${measure.title} (${measure.unit})`, kind: "linear" },
    series: [...lines].map(([name, line], style) => {
      const marks = [...line.values()]
        .sort((one, other) => (one.prefill_per_decode_gpu ?? 0) - (other.prefill_per_decode_gpu ?? 0))
        .map(
          (point): Mark => ({
            x: point.prefill_per_decode_gpu ?? NaN,
            y: measure.of(point) ?? NaN,
            label: `${point.prefill_pods}:${point.decode_pods} pods`,
            title: `${name} ${point.layout}`,
            href: pageOf(point),
            facts: [
              ["Prefill : decode pods", `${point.prefill_pods} : ${point.decode_pods}`],
              ["Prefill : decode GPUs", `${point.prefill_gpus} : ${point.decode_gpus}`],
              ["Concurrency", String(point.conc)],
              [measure.title, `${number(measure.of(point))} ${measure.unit}`],
            ],
          }),
        );
      const best = bestOfEach(marks, measure.better ?? "higher");
      for (const mark of marks) mark.isFaint = !best.includes(mark);
      return { name, style, marks, lines: [best] };
    }),
    hasLabels: true,
    notes: [`y: ${measure.formula}`],
  };
}

interface Pair extends Ratio {
  model: string;
  hardware: string;
  precision: string;
  sequence: string;
  base: string;
  head: string;
  base_gpus: number;
  head_gpus: number;
}

/** llm-d and engines on their own, both with one replica, at equal lengths. */
function BesideAlone({ everything }: { everything: readonly Deployed[] }) {
  const { query } = useAddress();
  const path = `/api/v1/architectures${queryOf([["branch", query.get("branch")], ["as_of", query.get("as_of")]])}`;
  const loaded = useLoaded(path, async () => (await read<Page<Pair>>(path)).data);
  const pairs = valueOf(loaded) ?? [];
  const subjects = [...new Set(pairs.map(subjectOf))].sort();
  const subject = query.get("subject") ?? subjects[0] ?? "";
  const ofSubject = pairs.filter((pair) => subjectOf(pair) === subject);
  const bases = [...new Set(ofSubject.map((pair) => pair.base))].sort((one, other) => one.localeCompare(other, "en", { numeric: true }));
  // The toughest of the engines on their own is what llm-d has to beat.
  const toughest = ofSubject.filter((pair) => pair.metric === "throughput-per-gpu").reduce<Pair | null>((known, pair) => (known === null || pair.ratio < known.ratio ? pair : known), null)?.base ?? bases[0] ?? "";
  const base = query.get("alone") ?? toughest;
  const shown = base === "all" ? ofSubject : ofSubject.filter((pair) => pair.base === base);
  const metric = query.get("metric") ?? "throughput-per-gpu";
  return (
    <>
      <h2>Beside RHAIIS, one replica each</h2>
      <Ready of={loaded}>
        {() =>
          pairs.length === 0 ? (
            <p class="muted">No engine on its own was measured with a model, accelerator, precision and lengths that a deployment of llm-d with one replica has, at a common concurrency.</p>
          ) : (
            <>
              <div class="controls wide">
                <Select label="Model, accelerator, lengths" name="subject" options={subjects.map((value) => ({ value, title: value }))} fallback={subjects[0] ?? ""} />
                <Select label="On its own" name="alone" options={[...bases.map((value) => ({ value, title: value })), { value: "all", title: "all" }]} fallback={toughest} />
                <Select label="Metric" name="metric" options={RATIO_METRICS} fallback="throughput-per-gpu" />
              </div>
              <SideBySide everything={everything} pairs={shown} subject={subject} />
              <Statistics pairs={shown} />
              <RatioTable
                name={`LLM-D against engines on their own, ${subject}`}
                orderKey="pair"
                rows={shown.filter((pair) => pair.metric === metric)}
                describing={[
                  { key: "head", title: "LLM-D", value: (pair) => pair.head, show: (pair) => `${pair.head} (${pair.head_gpus} GPUs)` },
                  { key: "base", title: "On its own", value: (pair) => pair.base, show: (pair) => `${pair.base} (${pair.base_gpus} GPUs)` },
                ]}
              />
            </>
          )
        }
      </Ready>
    </>
  );
}

function subjectOf(pair: Pair): string {
  return `${pair.model} ${pair.hardware} ${pair.precision} ${pair.sequence}`;
}

/** Throughput and latencies of both sides over concurrency. */
function SideBySide({ everything, pairs, subject }: { everything: readonly Deployed[]; pairs: readonly Pair[]; subject: string }) {
  const first = pairs[0];
  const layouts = new Map<string, string>();
  for (const pair of pairs) {
    layouts.set(pair.head, `LLM-D · ${pair.head}`);
    layouts.set(pair.base, `alone · ${pair.base}`);
  }
  const nameOf = (point: Deployed) => `${point.version} ${point.layout}${point.router ? `, router ${point.router}` : ""}`;
  const points = everything.filter((point) => first && point.model_prefix === first.model && point.hardware === first.hardware && point.precision === first.precision && point.sequence === first.sequence && layouts.has(nameOf(point)) && point.replicas === 1);
  return (
    <div class="smalls">
      {["tput_per_gpu", "median_ttft", "median_tpot", "median_e2el"].map((key) => {
        const measure = measureOf(key);
        if (!measure || points.every((point) => measure.of(point) === null)) return null;
        const model: ChartModel = {
          name: `${subject}: ${measure.title}`,
          x: { title: "Concurrency", kind: "log" },
          y: { title: `${measure.title} (${measure.unit})`, kind: "linear" },
          series: [...layouts].map(([name, title], style) => {
            const marks = points
              .filter((point) => nameOf(point) === name && measure.of(point) !== null)
              .sort((one, other) => (one.conc ?? 0) - (other.conc ?? 0))
              .map((point): Mark => ({ x: point.conc ?? NaN, y: measure.of(point) ?? NaN, title, href: pageOf(point), facts: [["Concurrency", String(point.conc)], [measure.title, `${number(measure.of(point))} ${measure.unit}`], ["GPUs", String(point.gpus)]] }));
            return { name: title, style, marks, lines: [marks] };
          }),
          notes: [measure.formula],
        };
        return (
          <section key={key}>
            <h3>{measure.title}</h3>
            <Chart model={model} height={280} />
          </section>
        );
      })}
    </div>
  );
}

/** The pairs of a subject by metric: how often and by how much llm-d is better. */
function Statistics({ pairs }: { pairs: readonly Pair[] }) {
  const rows = RATIO_METRICS.flatMap(({ value, title }) => {
    const own = pairs.filter((pair) => pair.metric === value);
    if (own.length === 0) return [];
    const ratios = own.map((pair) => pair.ratio).sort((one, other) => one - other);
    const wins = own.reduce((sum, pair) => sum + pair.wins, 0);
    const compared = own.reduce((sum, pair) => sum + pair.concurrencies.length, 0);
    return [{ title, pairs: own.length, mean: Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length), least: ratios[0] ?? NaN, most: ratios[ratios.length - 1] ?? NaN, wins, compared }];
  });
  return (
    <DataTable
      name="Summary of LLM-D against engines on their own"
      rows={rows}
      orderKey="summary"
      columns={[
        { key: "metric", title: "Metric", value: (row) => row.title },
        { key: "pairs", title: "Pairs", isNumber: true, value: (row) => row.pairs },
        { key: "mean", title: "Geometric mean", isNumber: true, value: (row) => row.mean, show: (row) => <strong>{percent(row.mean - 1)}</strong> },
        { key: "least", title: "Least", isNumber: true, value: (row) => row.least, show: (row) => percent(row.least - 1) },
        { key: "most", title: "Most", isNumber: true, value: (row) => row.most, show: (row) => percent(row.most - 1) },
        { key: "wins", title: "LLM-D better at", value: (row) => row.wins, show: (row) => `${row.wins} of ${count(row.compared, "load")}` },
      ]}
    />
  );
}
