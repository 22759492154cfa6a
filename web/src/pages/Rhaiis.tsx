/** Engines on their own by version, accelerator and profile, as the tables of RHAIIS have them. */
import { onSameData, set, useAddress } from "../address";
import { query as queryOf, read, useLoaded, valueOf } from "../api";
import { Chart } from "../chart/Chart";
import type { ChartModel } from "../chart/model";
import { DataTable } from "../DataTable";
import { ALONE_DIMENSIONS, CONFIGURATION, type Deployed, deployments, deploymentsPath, ERROR_RATE, OUTPUT_PER_GPU, PROFILE, profile, TP, VERSION } from "../deployments";
import { DeploymentPlot } from "../DeploymentPlot";
import { FRAMEWORK, HARDWARE, lengths, lineOf, MODEL, pageOf, PRECISION } from "../dimensions";
import { Facets } from "../Facets";
import { count, number, percent } from "../format";
import { Card, Ready, Select } from "../parts";
import { RATIO_METRICS, type Ratio, RatioTable } from "../RatioTable";
import { RuntimeArguments } from "../RuntimeArguments";
import { choiceOf, select } from "../selection";

const SOURCES = [
  { value: "", title: "RHAIIS tables" },
  { value: "all", title: "all engines on their own" },
];
const LINES = [VERSION, HARDWARE, MODEL, TP, PROFILE];
const LINE_CHOICES = [
  { value: "", title: "version and accelerator" },
  { value: "all", title: "every configuration" },
];

export function Rhaiis() {
  const { query } = useAddress();
  const path = deploymentsPath(query);
  const loaded = useLoaded(path, () => deployments(path));
  const wanted = (point: Deployed) => point.family === "rhaiis" || (query.get("source") === "all" && point.family === "other");
  const all = valueOf(loaded)?.filter(wanted) ?? [];
  const choice = choiceOf(query, ALONE_DIMENSIONS);
  return (
    <div class="withfacets">
      <Facets points={all} choice={choice} dimensions={ALONE_DIMENSIONS} />
      <div class="content">
        <h1>RHAIIS</h1>
        <div class="controls">
          <Select label="Points of" name="source" options={SOURCES} fallback="" />
        </div>
        <Ready of={loaded}>
          {() =>
            all.length === 0 ? (
              <p class="empty">
                No results of RHAIIS are imported: <code>imax import consolidated_dashboard.csv --to history.db</code>.{" "}
                <button type="button" onClick={() => set({ source: "all" })}>
                  Show all engines on their own
                </button>
              </p>
            ) : (
              <Board points={select(all, choice, ALONE_DIMENSIONS) as Deployed[]} />
            )
          }
        </Ready>
      </div>
    </div>
  );
}

function Board({ points }: { points: readonly Deployed[] }) {
  const { query } = useAddress();
  const lines = LINES.filter((dimension) => dimension === VERSION || new Set(points.map(dimension.of)).size > 1);
  return (
    <>
      <Summary points={points} />
      <div class="controls">
        <Select label="Lines and colours by" name="lines" options={LINE_CHOICES} fallback="" />
      </div>
      <DeploymentPlot name="RHAIIS" points={points} lines={query.get("lines") === "all" ? lines : [VERSION, HARDWARE]} />
      <Rankings points={points} />
      <Efficiency points={points} />
      <Errors points={points} />
      <Regressions />
      <h2>Arguments of the engines</h2>
      <RuntimeArguments points={points} by={lines} />
      <p>
        What the tokens of these points cost is on <a href={onSameData("/cost")}>Cost</a>.
      </p>
    </>
  );
}

/** The point with the largest (or least) value. */
function best(points: readonly Deployed[], of: (point: Deployed) => number | null, better: "higher" | "lower"): Deployed | null {
  let found: Deployed | null = null;
  for (const point of points) {
    const value = of(point);
    if (value === null) continue;
    const known = found === null ? null : of(found);
    if (known === null || (better === "higher" ? value > known : value < known)) found = point;
  }
  return found;
}

const ttft = (point: Deployed) => (typeof point.median_ttft === "number" ? point.median_ttft * 1e3 : null);

function Summary({ points }: { points: readonly Deployed[] }) {
  const different = (of: (point: Deployed) => string) => new Set(points.map(of)).size;
  const fastest = best(points, OUTPUT_PER_GPU.of, "higher");
  const quickest = best(points, ttft, "lower");
  const failing = points.filter((point) => (point.error_rate ?? 0) > 0).length;
  const counted = points.filter((point) => point.error_rate !== null).length;
  return (
    <div class="cards">
      <Card title="Points" value={points.length} note={`${count(different(VERSION.of), "version")}, ${count(different(HARDWARE.of), "accelerator")}, ${count(different(PROFILE.of), "profile")}`} />
      <Card title="Most output per GPU" value={number(fastest && OUTPUT_PER_GPU.of(fastest))} note={fastest ? `tok/s, ${fastest.version} ${fastest.hardware} ${fastest.layout} conc ${fastest.conc}` : undefined} />
      <Card title="Least TTFT, median" value={`${number(quickest && ttft(quickest))} ms`} note={quickest ? `${quickest.version} ${quickest.hardware} ${quickest.layout} conc ${quickest.conc}` : undefined} />
      <Card title="Points with failed requests" value={failing} tone={failing > 0 ? "worse" : undefined} note={`of ${counted} that count them`} />
    </div>
  );
}

const ORDERS = [
  { value: "", title: "output throughput per GPU" },
  { value: "ttft", title: "TTFT" },
  { value: "tpot", title: "TPOT" },
  { value: "intvty", title: "interactivity" },
];

function Rankings({ points }: { points: readonly Deployed[] }) {
  const { query } = useAddress();
  const by = query.get("top") ?? "";
  const measure = { "": OUTPUT_PER_GPU.of, ttft, tpot: tpot, intvty: (point: Deployed) => point.median_intvty ?? null }[by] ?? OUTPUT_PER_GPU.of;
  const better = by === "ttft" || by === "tpot" ? "lower" : "higher";
  const groups = new Map<string, Deployed[]>();
  for (const point of points) {
    const key = [...CONFIGURATION, TP].map((dimension) => dimension.of(point)).join("\u0000");
    groups.set(key, [...(groups.get(key) ?? []), point]);
  }
  const rows = [...groups.values()].flatMap((group) => best(group, measure, better) ?? []);
  return (
    <>
      <h2>Rankings</h2>
      <div class="controls">
        <Select label="Best by" name="top" options={ORDERS} fallback="" />
      </div>
      <DataTable
        name="Rankings"
        rows={rows}
        order={better === "higher" ? "-value" : "value"}
        orderKey="rank"
        page={10}
        columns={[
          { key: "model", title: "Model", value: MODEL.of },
          { key: "hardware", title: "Accelerator", value: HARDWARE.of },
          { key: "version", title: "Version", value: VERSION.of },
          { key: "profile", title: "Profile", value: PROFILE.of },
          { key: "framework", title: "Engine", value: FRAMEWORK.of },
          { key: "precision", title: "Precision", value: PRECISION.of },
          { key: "layout", title: "Layout", value: (point) => point.layout ?? null },
          { key: "conc", title: "Conc", isNumber: true, value: (point) => point.conc ?? null, show: (point) => <a href={pageOf(point)}>{point.conc}</a> },
          { key: "value", title: ORDERS.find(({ value }) => value === by)?.title ?? by, isNumber: true, value: measure, show: (point) => <strong>{number(measure(point))}</strong> },
          { key: "output", title: "tok/s/GPU out", isNumber: true, value: OUTPUT_PER_GPU.of, show: (point) => number(OUTPUT_PER_GPU.of(point)) },
          { key: "ttft", title: "TTFT (ms)", isNumber: true, value: ttft, show: (point) => number(ttft(point)) },
          { key: "tpot", title: "TPOT (ms)", isNumber: true, value: tpot, show: (point) => number(tpot(point)) },
        ]}
      />
    </>
  );
}

function tpot(point: Deployed): number | null {
  return typeof point.median_tpot === "number" ? point.median_tpot * 1e3 : null;
}

interface Scaling {
  point: Deployed;
  perGpu: number;
  /** Against the smallest TP of the same line. */
  efficiency: number;
}

/** Of each configuration the best point of each TP, beside the smallest TP. */
function scaling(points: readonly Deployed[]): Map<string, Scaling[]> {
  const lines = new Map<string, Map<number, Deployed>>();
  for (const point of points) {
    const perGpu = OUTPUT_PER_GPU.of(point);
    if (point.tp === null || perGpu === null) continue;
    const key = lineOf(point, CONFIGURATION);
    const line = lines.get(key) ?? new Map<number, Deployed>();
    const known = line.get(point.tp);
    if (!known || (OUTPUT_PER_GPU.of(known) ?? 0) < perGpu) line.set(point.tp, point);
    lines.set(key, line);
  }
  return new Map(
    [...lines].map(([key, line]) => {
      const sorted = [...line.entries()].sort(([one], [other]) => one - other).map(([, point]) => point);
      const first = sorted[0] ? (OUTPUT_PER_GPU.of(sorted[0]) ?? NaN) : NaN;
      return [key, sorted.map((point) => ({ point, perGpu: OUTPUT_PER_GPU.of(point) ?? NaN, efficiency: (OUTPUT_PER_GPU.of(point) ?? NaN) / first }))];
    }),
  );
}

function Efficiency({ points }: { points: readonly Deployed[] }) {
  const lines = scaling(points);
  const model: ChartModel = {
    name: "RHAIIS: output throughput per GPU by TP",
    x: { title: "TP (GPUs that share the model)", kind: "log" },
    y: { title: "Best output throughput per GPU (tok/s/GPU)", kind: "linear" },
    series: [...lines].filter(([, line]) => line.length > 1).map(([name, line], style) => {
      const marks = line.map(({ point, perGpu, efficiency }) => ({
        x: point.tp ?? NaN,
        y: perGpu,
        title: name,
        href: pageOf(point),
        facts: [
          ["TP", String(point.tp)],
          ["Output per GPU", `${number(perGpu)} tok/s`],
          ["Against the smallest TP", percent(efficiency - 1)],
          ["Concurrency", String(point.conc)],
        ] as const,
      }));
      return { name, style, marks, lines: [marks] };
    }),
    notes: [`y: ${OUTPUT_PER_GPU.formula}; the concurrency with the most`],
  };
  return (
    <>
      <h2>Efficiency per TP</h2>
      {model.series.length > 0 ? <Chart model={model} height={320} /> : <p class="muted">No configuration was measured with two sizes of TP.</p>}
      <DataTable
        name="Efficiency per TP"
        rows={[...lines.values()].flat()}
        order="version"
        orderKey="tporder"
        page={15}
        columns={[
          { key: "version", title: "Version", value: ({ point }) => point.version },
          { key: "hardware", title: "Accelerator", value: ({ point }) => HARDWARE.of(point) },
          { key: "model", title: "Model", value: ({ point }) => MODEL.of(point) },
          { key: "profile", title: "Profile", value: ({ point }) => profile(point) },
          { key: "framework", title: "Engine", value: ({ point }) => FRAMEWORK.of(point) },
          { key: "precision", title: "Precision", value: ({ point }) => PRECISION.of(point) },
          { key: "tp", title: "TP", isNumber: true, value: ({ point }) => point.tp },
          { key: "dp", title: "DP", isNumber: true, value: ({ point }) => point.dp },
          { key: "conc", title: "Conc", isNumber: true, value: ({ point }) => point.conc ?? null },
          { key: "gpu", title: "Output tok/s/GPU", isNumber: true, value: ({ perGpu }) => perGpu, show: ({ perGpu }) => number(perGpu) },
          { key: "engine", title: "Output tok/s of the engine", isNumber: true, value: ({ point, perGpu }) => perGpu * (point.tp ?? NaN), show: ({ point, perGpu }) => number(perGpu * (point.tp ?? NaN)) },
          { key: "efficiency", title: "Against the smallest TP", isNumber: true, value: ({ efficiency }) => efficiency, show: ({ efficiency }) => `${number(efficiency * 100)} %` },
        ]}
      />
      <p class="muted">Per GPU all GPUs count: TP, DP and replicas. 100 % means that a larger TP loses nothing per GPU.</p>
    </>
  );
}

function Errors({ points }: { points: readonly Deployed[] }) {
  const counted = points.filter((point) => point.error_rate !== null);
  const failing = counted.filter((point) => (point.error_rate ?? 0) > 0);
  return (
    <>
      <h2>Error rate</h2>
      {failing.length === 0 ? (
        <p class="muted">{counted.length === 0 ? "No source of these points counts failed requests." : `No request failed in ${count(counted.length, "point")}.`}</p>
      ) : (
        <DataTable
          name="Points with failed requests"
          rows={failing}
          order="-rate"
          orderKey="errors"
          page={15}
          notes={[ERROR_RATE.formula]}
          columns={[
            { key: "rate", title: "Error rate", isNumber: true, value: (point) => point.error_rate, show: (point) => <span class="worse-text">{number((point.error_rate ?? 0) * 100)} %</span> },
            { key: "version", title: "Version", value: VERSION.of },
            { key: "hardware", title: "Accelerator", value: HARDWARE.of },
            { key: "model", title: "Model", value: MODEL.of },
            { key: "profile", title: "Profile", value: PROFILE.of },
            { key: "layout", title: "Layout", value: (point) => point.layout ?? null },
            { key: "conc", title: "Conc", isNumber: true, value: (point) => point.conc ?? null, show: (point) => <a href={pageOf(point)}>{point.conc}</a> },
          ]}
        />
      )}
    </>
  );
}

interface Configured extends Ratio {
  model: string;
  hardware: string;
  precision: string;
  sequence: string;
  layout: string;
  spec_decoding: string;
  variant: string;
}

interface Overall {
  metric: string;
  configurations: number;
  ratio: number;
  better: number;
  worse: number;
  same: number;
  unsure: number;
  without_loss: number;
}

interface Versions {
  versions: string[];
  base: string | null;
  head: string | null;
  data: Configured[];
  unpaired: (Omit<Configured, keyof Ratio> & { only_in: string; reason: string })[];
  overall: Overall[];
}

/** Which facets restrict the comparison: the API knows these dimensions. */
const COMPARED_BY = ["model", "hardware", "precision"];

function Regressions() {
  const { query } = useAddress();
  const path = `/api/v1/versions${queryOf([
    ["branch", query.get("branch")],
    ["as_of", query.get("as_of")],
    ...COMPARED_BY.flatMap((key) => query.getAll(key).map((value) => ["filter", `${key}=${value}`] as const)),
    ["family", query.get("source") === "all" ? null : "rhaiis"],
    ["base", query.get("base")],
    ["head", query.get("head")],
  ])}`;
  const loaded = useLoaded(path, () => read<Versions>(path));
  const known = valueOf(loaded);
  const metric = query.get("metric") ?? "output-throughput-per-gpu";
  const options = (known?.versions ?? []).map((value) => ({ value, title: value }));
  return (
    <>
      <h2>Regression between versions</h2>
      <div class="controls">
        <Select label="Base" name="base" options={options} fallback={query.get("base") ? "" : (known?.base ?? "")} isLoading={known === undefined} />
        <Select label="Head" name="head" options={options} fallback={query.get("head") ? "" : (known?.head ?? "")} isLoading={known === undefined} />
        <Select label="Metric" name="metric" options={RATIO_METRICS} fallback="output-throughput-per-gpu" />
      </div>
      <Ready of={loaded}>
        {(found) =>
          found.base === null || found.head === null ? (
            <p class="muted">There are fewer than two versions.</p>
          ) : (
            <>
              <Outcome found={found} metric={metric} />
              <RatioTable
                name={`${found.head} against ${found.base}`}
                orderKey="change"
                rows={found.data.filter((row) => row.metric === metric)}
                describing={[
                  { key: "model", title: "Model", value: (row) => row.model },
                  { key: "hardware", title: "Accelerator", value: (row) => row.hardware },
                  { key: "sequence", title: "ISL/OSL", value: (row) => lengths(row.sequence) },
                  { key: "layout", title: "Layout", value: (row) => row.layout },
                  { key: "variant", title: "Variant", value: (row) => row.variant || null },
                ]}
              />
              {found.unpaired.length > 0 && (
                <details>
                  <summary>{count(found.unpaired.length, "configuration")} without a pair</summary>
                  <DataTable
                    name="Configurations without a pair"
                    rows={found.unpaired}
                    orderKey="unpaired"
                    columns={[
                      { key: "model", title: "Model", value: (row) => row.model },
                      { key: "hardware", title: "Accelerator", value: (row) => row.hardware },
                      { key: "sequence", title: "ISL/OSL", value: (row) => lengths(row.sequence) },
                      { key: "layout", title: "Layout", value: (row) => row.layout },
                      { key: "side", title: "Only in", value: (row) => row.only_in },
                      { key: "reason", title: "Reason", isLong: true, value: (row) => row.reason },
                    ]}
                  />
                </details>
              )}
            </>
          )
        }
      </Ready>
    </>
  );
}

function Outcome({ found, metric }: { found: Versions; metric: string }) {
  const own = found.overall.find((overall) => overall.metric === metric);
  if (!own) return <p class="muted">The two versions have no configuration with a common concurrency.</p>;
  return (
    <p>
      <strong>{found.head}</strong> against <strong>{found.base}</strong>: {percent(own.ratio - 1)} (geometric mean of {count(own.configurations, "configuration")}), {own.better} better, {own.worse} worse, {own.same} same, {own.unsure} unsure; {number(own.without_loss * 100)} % without a loss. Each is the
      geometric mean over the concurrencies that both measured; fewer than three are unsure. The interval is over concurrencies of one measurement each: <a href={onSameData("/compare")}>Compare</a> judges by the noise between runs.
    </p>
  );
}
