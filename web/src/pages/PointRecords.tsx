/** What a run keeps of a point beside its numbers: distributions, the load over time, jobs, verdicts, configuration. */
import { useMemo } from "preact/hooks";
import { useAddress } from "../address";
import { type Point, query as queryOf, read, useLoaded } from "../api";
import { Chart } from "../chart/Chart";
import type { ChartModel, Mark } from "../chart/model";
import { count, number, percent } from "../format";
import { metricById } from "../metrics";
import { IS_SERVED } from "../source/source";
import { Ready, Select, Verdict } from "../parts";
import { type Difference, Differences } from "./Configuration";
import { EngineLog, type LogExcerpt } from "./EngineLog";
import { engineCharts, type EngineSlice } from "./EngineMetrics";
import { Annotations, type Annotation, type RunHead } from "./Inbox";

interface Distribution {
  title: string;
  unit: string;
  count: number;
  quantiles: { share: number; value: number }[];
  bars: { low: number; high: number; count: number }[];
}

interface Slice {
  second: number;
  seconds: number;
  completed: number;
  failed: number;
  chunks: number;
  mean_ttft_ms?: number;
  in_flight: number;
}

interface Job {
  job_id: string;
  outcome: string;
  reason?: string;
  seconds?: number;
  attempts: number;
  runner?: string;
  node?: string;
  launcher?: string;
  phases?: { phase: string; seconds: number; ending: string }[];
  log?: LogExcerpt;
}

interface Given {
  base: string;
  comparison: { verdict: string; changes: { metric: string; relative: number; low: number; high: number; verdict: string }[]; exception?: { reason: string; until: string } };
}

interface Records {
  run: RunHead | null;
  configuration: { name: string; value: string }[];
  conversions: string[] | null;
  differences: Difference[] | null;
  distributions: Distribution[] | null;
  slices: Slice[] | null;
  engine: EngineSlice[] | null;
  jobs: Job[];
  verdicts: Given[];
  annotations: Annotation[];
}

/** `others` are runs that measured the same point, the newest first. */
export function PointRecords({ point, others }: { point: Point; others: readonly Point[] }) {
  const { query } = useAddress();
  const runs = others.filter((other) => other.run !== point.run);
  const against = query.get("against") ?? String(before(point, runs)?.run ?? "");
  const path = `/api/v1/records${queryOf([["run", String(point.run)], ["curve", point.curve], ["conc", String(point.conc)], ["against", IS_SERVED ? against : null], ["as_of", query.get("as_of")]])}`;
  const loaded = useLoaded(path, () => read<Records | null>(path));
  return (
    <Ready of={loaded}>
      {(records) => (records === null ? <p class="muted">These pages have the load over time, the engine's metrics and its log of the newest points whose runs kept them; this point is not one of them.</p> : (
        <>
          <Annotations rows={records.annotations} />
          {records.run?.url && (
            <p>
              <a href={records.run.url} target="_blank" rel="noreferrer">
                Workflow run
              </a>
              , whose artifacts have the whole log of the engine and the samples of the GPUs.
            </p>
          )}
          <Slices slices={records.slices ?? []} engine={records.engine ?? []} />
          <Distributions rows={records.distributions ?? []} />
          {records.slices === null && records.distributions === null && <p class="muted">The history keeps no distributions of this point: they come with raw results that imax published.</p>}
          <Verdicts rows={records.verdicts} />
          <Jobs rows={records.jobs} />
          <section aria-label="Environment and runtime arguments">
            <h2>Environment and runtime arguments</h2>
            {IS_SERVED && runs.length > 0 && <Select label="Compared with run" name="against" options={runs.map((other) => ({ value: String(other.run), title: `run ${other.run}, ${(other.started ?? "").slice(0, 10)}` }))} fallback={String(before(point, runs)?.run ?? "")} />}
            {records.differences !== null && (records.differences.length === 0 ? <p class="muted">No known setting differs from run {against}.</p> : <Differences rows={records.differences} />)}
            <Configuration rows={records.configuration} />
            {(records.conversions ?? []).length > 0 && <p class="muted">Converted: {(records.conversions ?? []).join("; ")}.</p>}
          </section>
        </>
      ))}
    </Ready>
  );
}

/** The run before a point's own, else the newest other one. */
function before(point: Point, runs: readonly Point[]): Point | undefined {
  return runs.filter((other) => (other.started ?? "") < (point.started ?? "")).sort((one, other) => (other.started ?? "").localeCompare(one.started ?? ""))[0] ?? runs[0];
}

function Configuration({ rows }: { rows: readonly { name: string; value: string }[] }) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Settings by name">
      <table class="diff">
        <thead>
          <tr>
            <th scope="col">Setting</th>
            <th scope="col">Value</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ name, value }) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td>{value === "" ? "set" : value}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Slices({ slices, engine }: { slices: readonly Slice[]; engine: readonly EngineSlice[] }) {
  const charts = useMemo(
    () => [
      sliceChart("Requests in flight", "requests", slices, (slice) => slice.in_flight),
      sliceChart("Token events a second", "events/s", slices, (slice) => slice.chunks / Math.max(1, slice.seconds)),
      sliceChart("TTFT, mean", "ms", slices, (slice) => slice.mean_ttft_ms),
      sliceChart("Failed requests a second", "requests/s", slices.some(({ failed }) => failed > 0) ? slices : [], (slice) => slice.failed / Math.max(1, slice.seconds)),
    ],
    [slices],
  );
  const ofEngine = useMemo(() => engineCharts(engine), [engine]);
  if (slices.length === 0 && ofEngine.length === 0) return null;
  return (
    <section aria-label="The load and the engine over time">
      <h2>The load and the engine over time</h2>
      <p class="muted">{ofEngine.length === 0 ? "The engine exported no metrics that imax knows, or the load had several servers: only what the load generator saw is shown." : "Requests in the engine, caches and preemptions are the engine's own metrics; the rest is what the load generator saw."}</p>
      <div class="smalls">
        {charts
          .filter((chart) => (chart.series[0]?.marks.length ?? 0) > 0)
          .concat(ofEngine)
          .map((chart) => (
            <div key={chart.name}>
              <h3>{chart.name}</h3>
              <Chart model={chart} height={210} isSmall />
            </div>
          ))}
      </div>
    </section>
  );
}

function sliceChart(title: string, unit: string, slices: readonly Slice[], of: (slice: Slice) => number | undefined): ChartModel {
  const marks = slices.flatMap((slice): Mark[] => {
    const y = of(slice);
    return y === undefined ? [] : [{ x: slice.second, y, isFaint: true, title: `second ${slice.second}`, facts: [[title, `${number(y)} ${unit}`], ["Completed", String(slice.completed)], ["Failed", String(slice.failed)]] }];
  });
  return { name: title, x: { title: "Second of the load", kind: "linear" }, y: { title: unit, kind: "linear" }, series: [{ name: title, style: 0, marks, lines: [marks] }] };
}

/** Lengths differ little; times are looked at by their ratio. */
function barChart({ title, unit, bars, count: values }: Distribution): ChartModel {
  const isTime = unit === "s";
  const scale = isTime ? 1e3 : 1;
  const shown = bars.filter(({ low, high }) => high > low);
  const marks = shown.map(({ low, high, count: amount }): Mark => ({ x: Math.sqrt(low * high) * scale, y: amount, isFaint: true, title: `${number(low * scale)} to ${number(high * scale)} ${isTime ? "ms" : unit}`, facts: [["Values", String(amount)], ["Share", `${((amount / values) * 100).toFixed(1)} %`]] }));
  const outline = shown.flatMap(({ low, high, count: amount }): Mark[] => [low, high].map((x) => ({ x: x * scale, y: amount, title: "", facts: [] })));
  return {
    name: `Distribution of ${title}`,
    x: { title: isTime ? "ms" : unit, kind: isTime ? "log" : "linear" },
    y: { title: "Values", kind: "linear" },
    series: [{ name: title, style: 0, marks, lines: [outline] }],
    notes: ["Bars of equal ratio; every quantile is within 1 % (DDSketch)"],
  };
}

function Distributions({ rows }: { rows: readonly Distribution[] }) {
  const charts = useMemo(() => rows.map(barChart), [rows]);
  if (rows.length === 0) return null;
  const shares = rows[0]?.quantiles.map(({ share }) => share) ?? [];
  const value = (row: Distribution, share: number) => row.quantiles.find((quantile) => quantile.share === share)?.value;
  return (
    <section aria-label="Distributions">
      <h2>Distributions</h2>
      <div class="scroll" tabIndex={0} role="region" aria-label="Quantiles">
        <table>
          <thead>
            <tr>
              <th scope="col">Quantity</th>
              <th scope="col" class="number">Values</th>
              {shares.map((share) => (
                <th scope="col" class="number" key={share}>
                  {share === 1 ? "max" : `p${Number((share * 100).toFixed(1))}`}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row.title}>
                <th scope="row">
                  {row.title} ({row.unit === "s" ? "ms" : row.unit})
                </th>
                <td class="number">{number(row.count)}</td>
                {shares.map((share) => (
                  <td class="number" key={share}>
                    {number((value(row, share) ?? NaN) * (row.unit === "s" ? 1e3 : 1))}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <div class="smalls">
        {charts.map((chart) => (
          <div key={chart.name}>
            <h3>{chart.name}</h3>
            <Chart model={chart} height={210} isSmall />
          </div>
        ))}
      </div>
    </section>
  );
}

function Verdicts({ rows }: { rows: readonly Given[] }) {
  if (rows.length === 0) return null;
  return (
    <section aria-label="Verdicts that were given">
      <h2>Verdicts that were given</h2>
      {rows.map(({ base, comparison }, index) => (
        <p key={index}>
          <Verdict verdict={comparison.verdict} /> against {base}:{" "}
          {comparison.changes.map((change) => `${metricById(change.metric)?.title.split(",")[0] ?? change.metric} ${percent(change.relative)} (${percent(change.low)} to ${percent(change.high)})`).join(", ") || "no metric in common"}
          {comparison.exception && `. Accepted until ${comparison.exception.until}: ${comparison.exception.reason}`}
        </p>
      ))}
    </section>
  );
}

function Jobs({ rows }: { rows: readonly Job[] }) {
  if (rows.length === 0) return null;
  return (
    <section aria-label="Jobs">
      <h2>{count(rows.length, "job")} that measured it</h2>
      {rows.map((job) => (
        <div key={job.job_id}>
          <p>
            {job.outcome}
            {job.reason ? `: ${job.reason}` : ""}. {job.runner ?? job.node ?? "unknown machine"}, {job.launcher ?? "unknown launcher"}, {job.seconds === undefined ? "unknown duration" : `${number(job.seconds)} s`}, {count(job.attempts, "attempt")}.
          </p>
          {(job.phases ?? []).length > 0 && (
            <div class="scroll" tabIndex={0} role="region" aria-label={`Phases of ${job.job_id}`}>
              <table>
                <thead>
                  <tr>
                    <th scope="col">Phase</th>
                    <th scope="col" class="number">Seconds</th>
                    <th scope="col">End</th>
                  </tr>
                </thead>
                <tbody>
                  {(job.phases ?? []).map((phase, index) => (
                    <tr key={index}>
                      <th scope="row">{phase.phase}</th>
                      <td class="number">{number(phase.seconds)}</td>
                      <td class={phase.ending === "done" || phase.ending === "skipped" ? undefined : "worse-text"}>{phase.ending}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )}
          {job.log ? <EngineLog log={job.log} job={job.job_id} /> : <p class="muted">The history keeps no log of this job.</p>}
        </div>
      ))}
    </section>
  );
}
