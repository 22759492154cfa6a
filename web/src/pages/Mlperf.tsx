/** Published results of MLPerf: as submitted, and numbers derived from them, which are marked with a dagger. */
import { set, useAddress } from "../address";
import { type Page, query as queryOf, read, useLoaded, valueOf } from "../api";
import { type Bar, Bars } from "../Bars";
import { Chart } from "../chart/Chart";
import type { ChartModel, Mark } from "../chart/model";
import { type Column, DataTable } from "../DataTable";
import { number, percent } from "../format";
import { webAddress } from "../links";
import { Ready, Select } from "../parts";

interface Result {
  round: string | null;
  id: string | null;
  submitter: string | null;
  system: string | null;
  hardware: string | null;
  accelerators: number | null;
  nodes: number | null;
  model: string;
  scenario: string | null;
  unit: string | null;
  division: string | null;
  availability: string | null;
  value: number;
  per_accelerator: number | null;
  per_node: number | null;
  per_8_accelerators: number | null;
  offline: number | null;
  degradation: number | null;
  since_round_before: number | null;
  round_before: string | null;
}

interface Lengths {
  mean: number;
  median: number;
  p90: number;
  p99: number;
  max: number;
  bin_width: number;
  bins: number[];
}

interface DataSet {
  name: string;
  models: string[];
  requests: number;
  source: string;
  input: Lengths;
  output: Lengths;
}

const NUMBERS = [
  { value: "", title: "as submitted" },
  { value: "accelerator", title: "per accelerator †" },
  { value: "node", title: "per node †" },
  { value: "eight", title: "per 8 accelerators †" },
  { value: "server", title: "Server and Interactive against Offline †" },
  { value: "rounds", title: "against the round before †" },
];

const FIELDS: { label: string; name: string; of: (row: Result) => string | null }[] = [
  { label: "Version", name: "round", of: (row) => row.round },
  { label: "Model", name: "benchmark", of: (row) => row.model },
  { label: "Scenario", name: "scenario", of: (row) => row.scenario },
  { label: "Submitter", name: "submitter", of: (row) => row.submitter },
  { label: "Accelerator", name: "accelerator", of: (row) => row.hardware },
  { label: "Count", name: "count", of: (row) => (row.accelerators === null ? null : String(row.accelerators)) },
  { label: "Availability", name: "availability", of: (row) => row.availability },
  { label: "Division", name: "division", of: (row) => row.division },
];

/** Bars of one picture: more cannot be read. */
const MOST_BARS = 25;

export function Mlperf() {
  const path = `/api/v1/mlperf-derived${queryOf([["as_of", useAddress().query.get("as_of")]])}`;
  const loaded = useLoaded(path, async () => (await read<Page<Result>>(path)).data);
  return (
    <div class="content alone">
      <h1>MLPerf Inference</h1>
      <Ready of={loaded}>
        {(rows) =>
          rows.length === 0 ? (
            <p class="empty">
              No results are imported: <code>imax import mlperf-5.1.csv --to history.db</code> reads the tables of a round.
            </p>
          ) : (
            <Results rows={rows} />
          )
        }
      </Ready>
      <DataSets />
    </div>
  );
}

/** Values that the other choices leave, so that no choice gives nothing. */
function optionsOf(rows: readonly Result[], query: URLSearchParams, own: (typeof FIELDS)[number]) {
  const others = rows.filter((row) => FIELDS.every((field) => field === own || !query.get(field.name) || field.of(row) === query.get(field.name)));
  const counts = new Map<string, number>();
  for (const row of others) {
    const value = own.of(row);
    if (value !== null) counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  const values = [...counts].sort(([one], [other]) => one.localeCompare(other, "en", { numeric: true }));
  return [{ value: "", title: "all" }, ...values.map(([value, count]) => ({ value, title: `${value} (${count})` }))];
}

function Results({ rows }: { rows: readonly Result[] }) {
  const { query } = useAddress();
  const found = rows.filter((row) => FIELDS.every(({ name, of }) => !query.get(name) || of(row) === query.get(name)));
  const per = query.get("per") ?? "";
  return (
    <>
      <div class="controls">
        {FIELDS.map((field) => (
          <Select key={field.name} label={field.label} name={field.name} options={optionsOf(rows, query, field)} fallback="" />
        ))}
        <Select label="Numbers" name="per" options={NUMBERS} fallback="" />
      </div>
      {per !== "" && <p class="warning">† Derived from the submitted results by imax. It is not an official result of MLCommons.</p>}
      {found.length === 0 ? <p class="empty">No result has all of these.</p> : per === "server" ? <AgainstOffline rows={found} /> : per === "rounds" ? <AcrossRounds rows={found} all={rows} /> : <Absolute rows={found} per={per} />}
      <p class="muted">MLPerf is a trademark of MLCommons. Results are as the imported tables have them. A measurement that was submitted at 99 % and at 99.9 % accuracy with one number is here once, as 99 %.</p>
    </>
  );
}

function describing<T>(of: (row: T) => Result): Column<T>[] {
  return [
    { key: "round", title: "Version", value: (row) => of(row).round },
    { key: "id", title: "ID", value: (row) => of(row).id },
    { key: "submitter", title: "Submitter", value: (row) => of(row).submitter },
    { key: "system", title: "System", isLong: true, value: (row) => of(row).system },
    { key: "hardware", title: "Accelerator", isLong: true, value: (row) => of(row).hardware },
    { key: "accelerators", title: "Accelerators", isNumber: true, value: (row) => of(row).accelerators },
    { key: "nodes", title: "Nodes", isNumber: true, value: (row) => of(row).nodes },
    { key: "model", title: "Model", value: (row) => of(row).model },
    { key: "scenario", title: "Scenario", value: (row) => of(row).scenario },
  ];
}

/** The chosen number of a result; unknown counts give none. */
function shownOf(row: Result, per: string): number | null {
  return { accelerator: row.per_accelerator, node: row.per_node, eight: row.per_8_accelerators }[per] ?? (per === "" ? row.value : null);
}

function nameOf(row: Result): string {
  const what = shortHardware(row.hardware ?? row.system);
  const submitter = row.submitter && !what.startsWith(row.submitter) ? `${row.submitter} ` : "";
  return `${submitter}${what} ×${row.accelerators ?? "?"} (${row.id})`;
}

function Absolute({ rows, per }: { rows: readonly Result[]; per: string }) {
  const subjects = [...new Set(rows.map((row) => `${row.model} ${row.scenario} ${row.unit}`))];
  const title = NUMBERS.find(({ value }) => value === per)?.title ?? "";
  return (
    <>
      {subjects.length === 1 ? (
        <Bars name={`MLPerf ${subjects[0]}, ${title}`} unit={`${rows[0]?.unit ?? ""} ${title}`} bars={barsOf(rows, per)} legend={roundsOf(rows).map((round) => `version ${round}`)} notes={[per === "" ? "as submitted" : "† derived by imax, not an official result of MLCommons"]} />
      ) : (
        <p class="muted">
          Choose one model and one scenario for a picture: numbers of different ones cannot be compared.{" "}
          <button type="button" onClick={() => set(commonest(rows))}>
            Show the one with the most results
          </button>
        </p>
      )}
      <DataTable
        name="MLPerf results"
        rows={rows}
        order="-submitted"
        page={25}
        notes={per === "" ? [] : ["† derived by imax, not an official result of MLCommons"]}
        columns={[
          ...describing<Result>((row) => row),
          { key: "submitted", title: "As submitted", isNumber: true, value: (row) => row.value, show: (row) => number(row.value) },
          ...(per === "" ? [] : [{ key: "derived", title: title, isNumber: true, value: (row: Result) => shownOf(row, per), show: (row: Result) => <strong>{number(shownOf(row, per))}</strong> }]),
          { key: "unit", title: "Unit", value: (row) => row.unit },
        ]}
      />
    </>
  );
}

function roundsOf(rows: readonly Result[]): string[] {
  return [...new Set(rows.flatMap((row) => row.round ?? []))].sort((one, other) => one.localeCompare(other, "en", { numeric: true }));
}

/** Of each submitter and system the best, the largest first. */
function barsOf(rows: readonly Result[], per: string): Bar[] {
  const best = new Map<string, Result>();
  for (const row of rows) {
    const key = `${row.round} ${row.submitter} ${row.system}`;
    const known = best.get(key);
    if (!known || (shownOf(row, per) ?? 0) > (shownOf(known, per) ?? 0)) best.set(key, row);
  }
  const rounds = roundsOf(rows);
  return [...best.values()]
    .flatMap((row) => {
      const value = shownOf(row, per);
      return value === null ? [] : [{ name: nameOf(row), value, style: rounds.indexOf(row.round ?? "") }];
    })
    .sort((one, other) => other.value - one.value)
    .slice(0, MOST_BARS);
}

/** The model and scenario with the most results. */
function commonest(rows: readonly Result[]): Record<string, string> {
  const counts = new Map<string, { row: Result; count: number }>();
  for (const row of rows) {
    const key = `${row.model} ${row.scenario}`;
    counts.set(key, { row, count: (counts.get(key)?.count ?? 0) + 1 });
  }
  const [first] = [...counts.values()].sort((one, other) => other.count - one.count);
  return first ? { benchmark: first.row.model, scenario: first.row.scenario ?? "" } : {};
}

function AgainstOffline({ rows }: { rows: readonly Result[] }) {
  const pairs = rows.filter((row) => row.offline !== null);
  const lines = new Map<string, Result[]>();
  for (const row of pairs) {
    const name = `${row.model} ${row.scenario}`;
    lines.set(name, [...(lines.get(name) ?? []), row]);
  }
  const model: ChartModel = {
    name: "MLPerf: throughput under bounds on latency against Offline, per accelerator †",
    x: { title: "Offline per accelerator †", kind: "log" },
    y: { title: "Server or Interactive per accelerator †", kind: "log" },
    series: [...lines].map(([name, own], style) => ({
      name,
      style,
      lines: [],
      marks: own.map((row): Mark => {
        const each = row.per_accelerator === null ? NaN : row.per_accelerator / row.value;
        return { x: (row.offline ?? NaN) * each, y: row.value * each, title: nameOf(row), facts: [["Model", row.model], ["Scenario", row.scenario ?? "–"], ["Offline", number(row.offline)], [row.scenario ?? "", number(row.value)], ["Degradation †", percent(row.degradation === null ? null : -row.degradation)]] };
      }),
    })),
    notes: ["† derived by imax, not an official result of MLCommons", "a query of Server and Interactive is one sample of Offline"],
  };
  if (pairs.length === 0) return <p class="empty">No submission has both a result of Offline and one of Server or Interactive for the same model.</p>;
  return (
    <>
      <Chart model={model} height={360} />
      <DataTable
        name="Server and Interactive against Offline"
        rows={pairs}
        order="degradation"
        page={25}
        columns={[
          ...describing<Result>((row) => row),
          { key: "offline", title: "Offline", isNumber: true, value: (row) => row.offline, show: (row) => number(row.offline) },
          { key: "value", title: "Under the bound", isNumber: true, value: (row) => row.value, show: (row) => number(row.value) },
          { key: "ratio", title: "Of Offline †", isNumber: true, value: (row) => (row.offline ? row.value / row.offline : null), show: (row) => `${number(row.offline ? (row.value / row.offline) * 100 : null)} %` },
          { key: "degradation", title: "Degradation †", isNumber: true, value: (row) => row.degradation, show: (row) => <strong>{number((row.degradation ?? NaN) * 100)} %</strong> },
        ]}
      />
    </>
  );
}

/** The best number by accelerator of each round, of what several rounds have. */
function AcrossRounds({ rows, all }: { rows: readonly Result[]; all: readonly Result[] }) {
  const rounds = roundsOf(all);
  const best = new Map<string, Map<string, Result>>();
  for (const row of rows) {
    if (row.round === null || row.per_accelerator === null) continue;
    const name = `${shortHardware(row.hardware)} · ${row.model} · ${row.scenario}`;
    const own = best.get(name) ?? new Map<string, Result>();
    best.set(name, own);
    const known = own.get(row.round);
    if (!known || (known.per_accelerator ?? 0) < row.per_accelerator) own.set(row.round, row);
  }
  const repeated = [...best].filter(([, own]) => own.size > 1);
  const model: ChartModel = {
    name: "MLPerf: best per accelerator across versions †",
    x: { title: `Version (${rounds.map((round, index) => `${index + 1} = ${round}`).join(", ")})`, kind: "linear" },
    y: { title: "Best per accelerator, first version = 1 †", kind: "linear" },
    series: repeated.map(([name, own], style) => {
      const marks = rounds.flatMap((round, index): Mark[] => {
        const row = own.get(round);
        const first = rounds.map((known) => own.get(known)).find((known) => known !== undefined);
        return row && first ? [{ x: index + 1, y: (row.per_accelerator ?? NaN) / (first.per_accelerator ?? NaN), title: `${name}, ${round}`, facts: [["Per accelerator †", `${number(row.per_accelerator)} ${row.unit}`], ["System", row.system ?? "–"], ["Submitter", row.submitter ?? "–"]] }] : [];
      });
      return { name, style, marks, lines: [marks] };
    }),
    notes: ["† derived by imax, not an official result of MLCommons"],
  };
  const changed = rows.filter((row) => row.since_round_before !== null);
  return (
    <>
      {repeated.length === 0 ? <p class="empty">No accelerator has results of one model and scenario in two of the chosen versions.</p> : <Chart model={model} height={360} />}
      <DataTable
        name="MLPerf across versions"
        rows={changed}
        order="-change"
        page={25}
        columns={[
          ...describing<Result>((row) => row),
          { key: "each", title: "Per accelerator †", isNumber: true, value: (row) => row.per_accelerator, show: (row) => number(row.per_accelerator) },
          { key: "before", title: "Version before", value: (row) => row.round_before },
          { key: "change", title: "Against its best †", isNumber: true, value: (row) => row.since_round_before, show: (row) => <strong>{percent((row.since_round_before ?? NaN) - 1)}</strong> },
        ]}
      />
    </>
  );
}

function shortHardware(hardware: string | null): string {
  return (hardware ?? "–").split(" (x")[0] ?? "–";
}

function DataSets() {
  const { query } = useAddress();
  const path = "/api/v1/mlperf-datasets";
  const loaded = useLoaded(path, async () => (await read<Page<DataSet>>(path)).data);
  const sets = valueOf(loaded) ?? [];
  const ofModel = sets.find(({ models }) => models.includes(query.get("benchmark") ?? ""));
  const chosen = sets.find(({ models }) => models[0] === query.get("dataset")) ?? ofModel ?? sets[0];
  return (
    <>
      <h2>Lengths of the data sets</h2>
      <Ready of={loaded}>
        {() =>
          chosen && (
            <>
              <div class="controls">
                <Select label="Data set" name="dataset" options={sets.map(({ name, models }) => ({ value: models[0] ?? name, title: `${models[0]}: ${name}` }))} fallback={(ofModel ?? sets[0])?.models[0] ?? ""} />
              </div>
              <div class="smalls">
                <section>
                  <h3>Input</h3>
                  <Chart model={histogram(`${chosen.name}: tokens of inputs`, chosen.input, chosen)} height={240} isSmall />
                </section>
                <section>
                  <h3>Output</h3>
                  <Chart model={histogram(`${chosen.name}: tokens of outputs`, chosen.output, chosen)} height={240} isSmall />
                </section>
              </div>
              <DataTable
                name="Lengths of data sets"
                rows={sets}
                order="name"
                orderKey="sets"
                columns={[
                  { key: "name", title: "Data set", value: (row) => row.name },
                  { key: "models", title: "Models", isLong: true, value: (row) => row.models.join(", ") },
                  { key: "requests", title: "Requests", isNumber: true, value: (row) => row.requests, show: (row) => number(row.requests) },
                  ...lengthColumns("input"),
                  ...lengthColumns("output"),
                  { key: "source", title: "Source", value: (row) => row.source, show: (row) => (webAddress(row.source) ? <a href={row.source} rel="noreferrer" target="_blank">file</a> : row.source) },
                ]}
              />
            </>
          )
        }
      </Ready>
    </>
  );
}

function lengthColumns(side: "input" | "output"): Column<DataSet>[] {
  return (["mean", "median", "p90", "p99", "max"] as const).map((statistic) => ({ key: `${side}_${statistic}`, title: `${side === "input" ? "Input" : "Output"} ${statistic}`, isNumber: true, value: (row: DataSet) => row[side][statistic], show: (row: DataSet) => number(row[side][statistic]) }));
}

/** A histogram as a step line; its marks are the middles of the bins. */
function histogram(name: string, lengths: Lengths, set: DataSet): ChartModel {
  const share = (amount: number) => (amount / set.requests) * 100;
  const last = lengths.bins.length - 1;
  const marks = lengths.bins.map((amount, index): Mark => {
    const range = index === last ? `${index * lengths.bin_width} and more` : `${index * lengths.bin_width} to ${(index + 1) * lengths.bin_width - 1}`;
    return { x: (index + 0.5) * lengths.bin_width, y: share(amount), title: `${range} tokens`, isFaint: true, facts: [["Requests", number(amount)], ["Share", `${number(share(amount))} %`]] };
  });
  const corner = (x: number, y: number): Mark => ({ x, y, title: "", facts: [] });
  const steps = lengths.bins.flatMap((amount, index) => [corner(index * lengths.bin_width, share(amount)), corner((index + 1) * lengths.bin_width, share(amount))]);
  return {
    name,
    x: { title: `Tokens (the last bin has all from ${number(last * lengths.bin_width)})`, kind: "linear" },
    y: { title: "Share of requests (%)", kind: "linear" },
    series: [{ name: `${set.name}, ${number(set.requests)} requests`, style: 0, marks, lines: [[corner(0, 0), ...steps, corner((last + 1) * lengths.bin_width, 0)]] }],
    notes: [`source: ${set.source}`],
  };
}
