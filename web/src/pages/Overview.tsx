/** What moved, what is best, what failed, how fresh it is: without a choice. */
import { onSameData, useAddress } from "../address";
import { type Page, query as queryOf, read, useLoaded, valueOf } from "../api";
import { DataTable } from "../DataTable";
import { type CurveKey, DIMENSIONS, pageOfKey, pointOfKey } from "../dimensions";
import { age, count, day, number, percent, shortCommit } from "../format";
import { metricById } from "../metrics";
import { Card, Ready, Select, Verdict } from "../parts";
import type { RunRow } from "./Compare";
import type { ReliabilityRow } from "./Reliability";
import type { Thread as Regression } from "./Inbox";
import { Releases } from "./Releases";
import type { Change } from "./Trends";

interface FrontierRow {
  frontier: string;
  key: CurveKey;
  points: { interactivity: number; throughput_per_gpu: number; layout: string; conc: number; gpus: number; run: number; image: string | null }[];
  readings: { at: number; kind: string; throughput_per_gpu: number | null; low: number | null; high: number | null }[];
}

const TIERS = ["10", "20", "30", "50", "75", "100", "150", "200"];
const DEFAULT_TIER = "50";
const PERIODS = [
  { value: "7", title: "7 days" },
  { value: "30", title: "30 days" },
  { value: "90", title: "90 days" },
  { value: "0", title: "always" },
];
const DEFAULT_PERIOD = "30";
const DAY = 86_400_000;
const FRESH_DAYS = 14;

export function Overview() {
  const { query } = useAddress();
  const branch = query.get("branch");
  const common: [string, string | null][] = [["branch", branch], ["as_of", query.get("as_of")], ["filter", query.get("model") ? `model=${query.get("model")}` : null]];
  const runsPath = `/api/v1/runs${queryOf([["branch", branch], ["as_of", query.get("as_of")], ["limit", "20"]])}`;
  const runs = useLoaded(runsPath, async () => (await read<Page<RunRow>>(runsPath)).data);
  const reliabilityPath = `/api/v1/reliability${queryOf(common)}`;
  const reliability = useLoaded(reliabilityPath, async () => (await read<Page<ReliabilityRow>>(reliabilityPath)).data);
  const newestRun = valueOf(runs)?.[0];
  return (
    <div class="content alone">
      <h1>Overview</h1>
      {runs.state === "ready" && runs.value.length === 0 && <p class="empty">This history has no runs yet. `imax publish` and `imax import` add them.</p>}
      <Ready of={reliability}>
        {(rows) => {
          const [points, failed] = [rows.reduce((sum, row) => sum + row.points, 0), rows.reduce((sum, row) => sum + row.failed, 0)];
          return (
            <div class="cards">
              <Card title="Points" value={number(points)} note={count(rows.length, "hardware and engine", "pairs of hardware and engine")} />
              <Card title="Success" value={points === 0 ? "–" : `${(((points - failed) / points) * 100).toFixed(1)} %`} note={count(failed, "failed point")} tone={failed > 0 ? "worse" : undefined} />
              <Freshness rows={rows} newest={newestRun?.started} />
              {query.get("as_of") === null && (
                <div class="served" data-served>
                  <Regressions branch={branch} model={query.get("model")} />
                </div>
              )}
              <Card title="Newest run" value={newestRun ? age(newestRun.started) : "–"} note={newestRun ? <a href={runPage(newestRun.id)}>{`run ${newestRun.id}, ${day(newestRun.started)}, ${shortCommit(newestRun.commit)}`}</a> : undefined} />
            </div>
          );
        }}
      </Ready>
      <Releases common={common} />
      <Moved common={common} newest={newestRun?.started} isPresent={query.get("as_of") === null} />
      <Best common={common} />
      <h2>Newest runs</h2>
      <Ready of={runs}>
        {(rows) => (
          <DataTable
            name="Newest runs"
            rows={rows}
            orderKey="runs"
            columns={[
              { key: "id", title: "Run", isNumber: true, value: (run) => run.id, show: (run) => <a href={runPage(run.id)}>{run.id}</a> },
              { key: "started", title: "Date", value: (run) => run.started, show: (run) => day(run.started) },
              { key: "kind", title: "Kind", value: (run) => run.kind, show: (run) => (run.kind === "pull-request" ? <strong class="worse-text">not official: pull request {run.pull_request}</strong> : run.kind) },
              { key: "branch", title: "Branch", value: (run) => run.branch },
              { key: "commit", title: "Commit", value: (run) => run.commit, show: (run) => <code>{shortCommit(run.commit)}</code> },
              { key: "measured", title: "Measured", isNumber: true, value: (run) => run.measured, show: (run) => `${run.measured} of ${run.points}` },
              { key: "compare", title: "Against the branch's run before", value: (run) => run.id, show: (run) => previous(rows, run) },
            ]}
          />
        )}
      </Ready>
    </div>
  );
}

/** How many pairs of hardware and engine were measured lately, counted back from the newest run. */
function Freshness({ rows, newest }: { rows: readonly ReliabilityRow[]; newest: string | undefined }) {
  if (!newest) return null;
  const fresh = rows.filter((row) => row.newest_measured !== null && Date.parse(newest) - Date.parse(row.newest_measured) <= FRESH_DAYS * DAY);
  const oldest = rows.map((row) => row.newest_measured ?? "").sort()[0];
  return <Card title="Fresh" value={`${fresh.length} of ${rows.length}`} note={<a href={onSameData("/coverage")}>{`pairs of hardware and engine measured within ${FRESH_DAYS} days; the oldest ${oldest ? day(oldest) : "never"}`}</a>} tone={fresh.length < rows.length ? "worse" : undefined} />;
}

function Regressions({ branch, model }: { branch: string | null; model: string | null }) {
  const path = `/api/v1/regressions${queryOf([["branch", branch], ["filter", model ? `model=${model}` : null]])}`;
  const loaded = useLoaded(path, async () => (await read<Page<Regression>>(path)).data);
  const title = "Open regressions";
  if (loaded.state === "failed") return <Card title={title} value="–" note={<span role="alert">{loaded.message}</span>} />;
  if (loaded.state === "loading") return <Card title={title} value="–" note={<span aria-busy="true">Loading …</span>} />;
  const countOf = (state: string) => loaded.value.filter((thread) => thread.state === state).length;
  const open = countOf("open");
  return <Card title={title} value={open} note={<a href={onSameData("/inbox", [["model", model]])}>{`${countOf("acknowledged")} acknowledged, ${countOf("expected")} expected, ${countOf("fixed")} fixed`}</a>} tone={open > 0 ? "worse" : undefined} />;
}

function runPage(run: number): string {
  return onSameData("/details", [["runs", "all"], ["run", String(run)]]);
}

/** The run before of the same branch: another branch's differs by more than time. */
function previous(rows: readonly RunRow[], run: RunRow) {
  const before = rows.slice(rows.indexOf(run) + 1).find((other) => other.branch === run.branch);
  return before ? <a href={onSameData("/compare", [["base", `run:${before.id}`], ["head", `run:${run.id}`]])}>compare with {before.id}</a> : "–";
}

function Moved({ common, newest, isPresent }: { common: [string, string | null][]; newest: string | undefined; isPresent: boolean }) {
  const period = Number(useAddress().query.get("since") ?? DEFAULT_PERIOD);
  // Counted back from the newest run: a history that rests has no empty opening page.
  const since = newest && period > 0 ? new Date(Date.parse(newest) - period * DAY).toISOString() : null;
  const path = `/api/v1/changes${queryOf([...common.filter(([name]) => name !== "as_of"), ["since", since]])}`;
  const loaded = useLoaded(newest && isPresent ? path : null, async () => (await read<Page<Change>>(path)).data);
  return (
    <>
      <h2>What moved</h2>
      <div class="controls">
        <Select label="In the last" name="since" options={PERIODS} fallback={DEFAULT_PERIOD} />
      </div>
      {!isPresent && <p class="muted">Changes are known for the present only.</p>}
      {newest && isPresent && (
        <Ready of={loaded}>
          {(changes) => {
            const [worse, better] = ["worse", "better"].map((verdict) => changes.filter((change) => change.verdict === verdict));
            return changes.length === 0 ? <p class="muted">No level changed.</p> : (
              <>
                <div class="cards">
                  <Extreme title="Worst change" change={largest(worse ?? [])} tone="worse" />
                  <Extreme title="Best change" change={largest(better ?? [])} tone="better" />
                  <Card title="Changes of level" value={changes.length} note={`${worse?.length ?? 0} worse, ${better?.length ?? 0} better`} />
                </div>
                <Threads changes={changes} />
              </>
            );
          }}
        </Ready>
      )}
    </>
  );
}

/** Changes of the same hardware and engine between the same two runs: they have one cause, most likely. */
interface Thread {
  verdict: string;
  after: string;
  at: string;
  hardware: string;
  engine: string;
  models: string[];
  metrics: string[];
  points: Set<string>;
  changes: Change[];
}

function threadsOf(changes: readonly Change[]): Thread[] {
  const threads = new Map<string, Thread>();
  for (const change of changes) {
    const { runner: hardware, framework: engine, "model-prefix": model } = change.key.curve;
    const key = JSON.stringify([change.verdict, change.at, hardware, engine]);
    const thread = threads.get(key) ?? { verdict: change.verdict, after: change.after, at: change.at, hardware, engine, models: [], metrics: [], points: new Set<string>(), changes: [] };
    threads.set(key, thread);
    const title = metricById(change.metric)?.title.split(",")[0] ?? change.metric;
    if (!thread.models.includes(model)) thread.models.push(model);
    if (!thread.metrics.includes(title)) thread.metrics.push(title);
    thread.points.add(change.point);
    thread.changes.push(change);
  }
  return [...threads.values()];
}

function Threads({ changes }: { changes: readonly Change[] }) {
  const size = (thread: Thread) => Math.abs(largest(thread.changes)?.relative ?? 0);
  return (
    <DataTable
      name="Changes of level, those that moved together as one"
      rows={threadsOf(changes)}
      order="-at"
      orderKey="moved"
      page={15}
      columns={[
        { key: "verdict", title: "Verdict", value: (thread) => thread.verdict, show: (thread) => <Verdict verdict={thread.verdict} /> },
        { key: "at", title: "Between", value: (thread) => thread.at, show: (thread) => `${day(thread.after)} and ${day(thread.at)}` },
        { key: "hardware", title: "Hardware", value: (thread) => thread.hardware },
        { key: "engine", title: "Engine", value: (thread) => thread.engine },
        { key: "models", title: "Models", isLong: true, value: (thread) => thread.models.join(", "), show: (thread) => thread.models.map((model, index) => <>{index > 0 && ", "}<a href={onSameData("/trends", [["model", model], ["search", `${thread.hardware} ${thread.engine}`]])}>{model}</a></>) },
        { key: "points", title: "Points", isNumber: true, value: (thread) => thread.points.size },
        { key: "size", title: "Largest change", isNumber: true, value: size, show: (thread) => percent(largest(thread.changes)?.relative) },
        { key: "metrics", title: "Metrics", isLong: true, value: (thread) => thread.metrics.join(", ") },
      ]}
    />
  );
}

function largest(changes: readonly Change[]): Change | undefined {
  return [...changes].sort((one, other) => Math.abs(other.relative) - Math.abs(one.relative))[0];
}

function Extreme({ title, change, tone }: { title: string; change: Change | undefined; tone: string }) {
  return change ? <Card title={title} value={percent(change.relative)} note={`${metricById(change.metric)?.title.split(",")[0] ?? change.metric}, ${change.point}`} tone={tone} /> : <Card title={title} value="none" />;
}

/** The throughput of the best configuration of each model and hardware at an interactivity. */
function Best({ common }: { common: [string, string | null][] }) {
  const tier = useAddress().query.get("at") ?? DEFAULT_TIER;
  const path = `/api/v1/frontier${queryOf([...common, ["at", tier]])}`;
  const loaded = useLoaded(path, async () => (await read<Page<FrontierRow>>(path)).data);
  return (
    <>
      <h2>Best configurations</h2>
      <div class="controls">
        <Select label="At an interactivity of" name="at" options={TIERS.map((value) => ({ value, title: `${value} tok/s/user` }))} fallback={DEFAULT_TIER} />
      </div>
      <Ready of={loaded}>
        {(rows) => (
          <DataTable
            name={`Throughput per GPU at ${tier} tok/s/user`}
            rows={rows}
            order="-throughput"
            orderKey="best"
            page={15}
            columns={[
              ...DIMENSIONS.slice(0, 5).map((dimension) => ({ key: dimension.key, title: dimension.title, value: (row: FrontierRow) => dimension.of(pointOfKey(row.key)) })),
              { key: "throughput", title: "Throughput (tok/s/GPU)", isNumber: true, value: (row) => row.readings[0]?.throughput_per_gpu ?? null, show: (row) => number(row.readings[0]?.throughput_per_gpu) },
              { key: "kind", title: "Reading", value: (row) => row.readings[0]?.kind ?? null, show: (row) => readingOf(row) },
              { key: "peak", title: "Peak (tok/s/GPU)", isNumber: true, value: (row) => peakOf(row)?.throughput_per_gpu ?? null, show: (row) => peak(row) },
            ]}
          />
        )}
      </Ready>
    </>
  );
}

function readingOf(row: FrontierRow): string {
  const reading = row.readings[0];
  if (!reading) return "–";
  if (reading.kind === "between") return `between ${number(reading.low)} and ${number(reading.high)}`;
  return { measured: "measured", unreachable: "not reached", "below-measured": "below what was measured" }[reading.kind] ?? reading.kind;
}

function peakOf(row: FrontierRow) {
  return [...row.points].sort((one, other) => other.throughput_per_gpu - one.throughput_per_gpu)[0];
}

function peak(row: FrontierRow) {
  const point = peakOf(row);
  if (!point) return "–";
  return (
    <a href={pageOfKey({ ...row.key, layout: point.layout }, point.conc, point.run)}>
      {number(point.throughput_per_gpu)} ({point.layout}, conc {point.conc})
    </a>
  );
}
