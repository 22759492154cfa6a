/** One point: all its numbers, where they come from, how to measure it again. */
import { onSameData, useAddress } from "../address";
import { type Loaded, literal, type Page, type Point, query as queryOf, read, useLoaded, valueOf } from "../api";
import { DataTable } from "../DataTable";
import { isNamed, nameOf, pageOf } from "../dimensions";
import { count, minute, number, percent } from "../format";
import { METRICS, metricOf, shown } from "../metrics";
import { Copyable, Ready } from "../parts";
import { commandOf } from "../reproduce";
import { IS_SERVED } from "../source/source";
import { PointRecords } from "./PointRecords";
import { Telemetry } from "./Telemetry";

export function PointPage() {
  const { query } = useAddress();
  const [run, conc] = ["run", "conc"].map((key) => query.get(key) ?? "");
  const path = `/api/v1/points${queryOf([["run", run], ["filter", `conc=${conc}`], ["as_of", query.get("as_of")], ["limit", "10000"]])}`;
  const loaded = useLoaded(run && conc ? `${path} ${query}` : null, async () => {
    const found = (await read<Page<Point>>(path)).data.find((point) => isNamed(point, query));
    if (!found) throw new Error(`run ${run} has no such point`);
    return found;
  });
  if (!run || !conc) return <p class="empty content">An address of a point has a run and a concurrency; charts and tables lead to it.</p>;
  return (
    <div class="content alone">
      <Ready of={loaded}>{(point) => <Whole point={point} />}</Ready>
    </div>
  );
}

/** What other runs of the same point are asked for: their usual numbers, and those that telemetry is compared by. */
const OF_RUNS = "id,run,started,commit,image,curve,conc,outcome,tput_per_gpu,median_intvty,median_ttft,median_e2el,avg_power_w,avg_total_gpu_power_w,total_gpu_energy_j,avg_temp_c,peak_temp_c,avg_util_pct,avg_mem_used_mb";

/** Points among which those of the same curve are looked for. */
const MOST_POINTS = 5000;

interface Runs {
  points: Point[];
  /** Whether older runs may be missing. */
  isCut: boolean;
}

/** The same point in all runs of its branch. */
function useRuns(point: Point): Loaded<Runs> {
  const { query } = useAddress();
  const equal: [string, string | null | undefined][] = [
    ["model", point.model_prefix],
    ["hardware", point.hardware],
    ["framework", point.framework],
    ["precision", point.precision],
    ["layout", point.layout],
  ];
  const path = `/api/v1/points${queryOf([
    ["filter", `conc=${point.conc}`],
    ...equal.flatMap(([key, value]) => (value ? [["filter", `${key}=${literal(value)}`] as const] : [])),
    ["branch", point.branch],
    ["as_of", query.get("as_of")],
    ["fields", OF_RUNS],
    ["limit", String(MOST_POINTS)],
  ])}`;
  return useLoaded(path, async () => {
    const { data, next } = await read<Page<Point>>(path);
    return { points: data.filter((other) => other.curve === point.curve), isCut: next !== null };
  });
}

function Whole({ point }: { point: Point }) {
  const runs = useRuns(point);
  const { query } = useAddress();
  return (
    <>
      <h1>{nameOf(point)}</h1>
      <p class="muted">
        Run {point.run}, {minute(point.started)} UTC, branch {point.branch || "–"}, commit <code>{point.commit}</code>. Outcome: {point.outcome}
        {point.reason ? `: ${point.reason}` : ""}
      </p>
      <p>
        <a href={onSameData("/performance", [["model", point.model_prefix]])}>Performance of this model</a> · <a href={onSameData("/trends", [["model", point.model_prefix], ["conc", String(point.conc)]])}>its trend</a> ·{" "}
        {IS_SERVED && <a href={`/api/v1/runs/${point.run}`}>its run as JSON</a>}
      </p>
      {point.kind === "pull-request" && (
        <p class="unofficial">
          <strong>NOT OFFICIAL</strong> A run of a pull request.
        </p>
      )}
      <div class="columns2">
        <Numbers point={point} />
        <div>
          <Facts point={point} />
          <Reproduce point={point} />
        </div>
      </div>
      <Telemetry point={point} others={valueOf(runs)?.points ?? []} />
      <Ready of={runs}>{({ points: others }) => <PointRecords key={`${point.run} ${query.get("as_of")}`} point={point} others={others} />}</Ready>
      <Reruns loaded={runs} />
    </>
  );
}

function Numbers({ point }: { point: Point }) {
  const rows = METRICS.flatMap((metric) => {
    const value = shown(metric, point[metric.column as keyof Point]);
    if (value === null) return [];
    const [low, high] = ["low", "high"].map((end) => (metric.interval ? shown(metric, point[`ci_${end}_${metric.interval}` as keyof Point]) : null));
    return [{ metric, value, interval: low != null && high != null ? `${number(low)} to ${number(high)}` : "" }];
  });
  return (
    <section aria-label="Numbers">
      <h2>Numbers</h2>
      <div class="scroll" tabIndex={0} role="region" aria-label="Numbers of the point">
        <table>
          <thead>
            <tr>
              <th scope="col">Metric</th>
              <th scope="col" class="number">Value</th>
              <th scope="col">Unit</th>
              <th scope="col">95 % interval</th>
              <th scope="col">Formula</th>
            </tr>
          </thead>
          <tbody>
            {rows.map(({ metric, value, interval }) => (
              <tr key={metric.column}>
                <th scope="row">{metric.title}</th>
                <td class="number">{number(value)}</td>
                <td>{metric.unit}</td>
                <td>{interval}</td>
                <td class="muted formula">{metric.formula}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

/** Settings, provenance and what else came with the result, as a list that can be compared line by line. */
function Facts({ point }: { point: Point }) {
  const numbers = new Set(METRICS.map((metric) => metric.column));
  const own = Object.entries(point).filter(([name, value]) => value !== null && name !== "extra" && !name.startsWith("ci_") && (!numbers.has(name) || name === "conc"));
  const facts = [...own.map(([name, value]) => [name, String(value)] as const), ...flat("", point.extra)].filter(([, value]) => value !== "");
  return (
    <section aria-label="Settings and provenance">
      <h2>Settings and provenance</h2>
      <dl class="facts">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt title={name}>{titleOf(name)}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

/** Names of the API whose words alone do not say what they are. */
const TITLES: Record<string, string> = {
  model_prefix: "Model key",
  framework: "Engine",
  disagg: "Prefill and decode apart",
  isl: "ISL",
  osl: "OSL",
  gpus: "GPUs",
  conc: "Concurrency",
  run_id: "Run at its provider",
  digest: "Digest of the point",
  source: "Digest of the source file",
};

/** A name of the API in words; its own form is shown under the pointer. */
function titleOf(name: string): string {
  const words = TITLES[name] ?? name.replace(/^provenance\./, "").replaceAll(/[_.]/g, " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Members of nested objects by their paths. */
function flat(path: string, value: unknown): (readonly [string, string])[] {
  if (value === null || value === undefined) return [];
  if (typeof value !== "object" || Array.isArray(value)) return [[path, typeof value === "object" ? JSON.stringify(value) : String(value)]];
  return Object.entries(value).flatMap(([name, member]) => flat(path === "" ? name : `${path}.${name}`, member));
}

function Reproduce({ point }: { point: Point }) {
  const { command, gaps } = commandOf(point);
  return (
    <section aria-label="How to measure it again">
      <h2>Measure it again</h2>
      <Copyable text={command} label="Command" />
      {gaps.length > 0 && <p class="muted">The history does not keep {gaps.join(", ")}: take them from the configuration at the commit.</p>}
    </section>
  );
}

/** The same point in other runs. */
function Reruns({ loaded }: { loaded: Loaded<Runs> }) {
  const metrics = ["tput_per_gpu", "median_intvty", "median_ttft", "median_e2el"].flatMap((column) => metricOf(column) ?? []);
  return (
    <section aria-label="Other runs">
      <h2>The same point in other runs</h2>
      <Ready of={loaded}>
        {({ points, isCut }) => (
          <>
            {isCut && <p class="warning">Only the newest {count(MOST_POINTS, "point")} of equal settings were searched: older runs of this point may be missing.</p>}
            <p>{spreadOf(points)}</p>
            <DataTable
              name="The same point in other runs"
              rows={points}
              page={15}
              order="-started"
              columns={[
                { key: "started", title: "Date", value: (other) => other.started ?? null, show: (other) => <a href={pageOf(other)}>{minute(other.started)}</a> },
                { key: "run", title: "Run", isNumber: true, value: (other) => other.run ?? null },
                { key: "commit", title: "Commit", value: (other) => other.commit ?? null, show: (other) => <code>{(other.commit ?? "–").slice(0, 10)}</code> },
                { key: "version", title: "Image", value: (other) => other.image ?? null },
                { key: "outcome", title: "Outcome", value: (other) => other.outcome ?? null },
                ...metrics.map((metric) => ({ key: metric.column, title: `${metric.title} (${metric.unit})`, isNumber: true, value: (other: Point) => shown(metric, other[metric.column as keyof Point]), show: (other: Point) => number(shown(metric, other[metric.column as keyof Point])) })),
              ]}
            />
          </>
        )}
      </Ready>
    </section>
  );
}

/** The relative standard deviation of throughput over the runs. */
function spreadOf(points: readonly Point[]): string {
  const values = points.flatMap((point) => point.tput_per_gpu ?? []);
  if (values.length < 2) return "Measured once: no spread is known.";
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
  return `${values.length} runs; their throughput per GPU has a standard deviation of ${percent(Math.sqrt(variance) / mean).replace("+", "")} of its mean.`;
}

