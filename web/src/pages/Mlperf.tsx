/** Published results of MLPerf: absolute as they are, per accelerator and node as derived numbers. */
import { useAddress } from "../address";
import { type Page, read, useLoaded } from "../api";
import { type Column, DataTable } from "../DataTable";
import { number } from "../format";
import { Ready, Select } from "../parts";

interface Result {
  id: string;
  round: string | null;
  submitter: string;
  system: string;
  hardware: string | null;
  accelerators: number | null;
  nodes: number | null;
  model: string;
  scenario: string;
  metric: string;
  unit: string | null;
  value: number | null;
}

const PER = [
  { value: "", title: "as submitted" },
  { value: "accelerator", title: "per accelerator †" },
  { value: "node", title: "per node †" },
  { value: "server", title: "Server against Offline †" },
];

export function Mlperf() {
  const { query } = useAddress();
  const path = "/api/v1/mlperf";
  const loaded = useLoaded(path, async () => (await read<Page<Result>>(path)).data);
  return (
    <div class="content alone">
      <h1>MLPerf Inference</h1>
      <Ready of={loaded}>{(rows) => (rows.length === 0 ? <p class="empty">No results are imported. `imax import` reads the tables of a round.</p> : <Results rows={rows} query={query} />)}</Ready>
    </div>
  );
}

function optionsOf(rows: readonly Result[], of: (row: Result) => string | null) {
  const values = [...new Set(rows.flatMap((row) => of(row) ?? []))].sort((one, other) => one.localeCompare(other, "en", { numeric: true }));
  return [{ value: "", title: "all" }, ...values.map((value) => ({ value, title: value }))];
}

function Results({ rows, query }: { rows: readonly Result[]; query: URLSearchParams }) {
  const FIELDS = [
    { label: "Round", name: "round", of: (row: Result) => row.round },
    { label: "Model", name: "benchmark", of: (row: Result) => row.model },
    { label: "Scenario", name: "scenario", of: (row: Result) => row.scenario },
    { label: "Submitter", name: "submitter", of: (row: Result) => row.submitter },
    { label: "Accelerator", name: "accelerator", of: (row: Result) => row.hardware },
  ];
  const found = rows.filter((row) => FIELDS.every(({ name, of }) => !query.get(name) || of(row) === query.get(name)));
  const per = query.get("per") ?? "";
  return (
    <>
      <div class="controls">
        {FIELDS.map(({ label, name, of }) => (
          <Select key={name} label={label} name={name} options={optionsOf(rows, of)} fallback="" />
        ))}
        <Select label="Numbers" name="per" options={PER} fallback="" />
      </div>
      {per !== "" && <p class="warning">† Derived from the submitted result by imax. It is not an official result of MLCommons.</p>}
      {per === "server" ? <ServerAgainstOffline rows={found} /> : <DataTable name="MLPerf results" rows={found} order="-value" columns={[...describing(), { key: "value", title: per === "" ? "Result" : `Per ${per} †`, isNumber: true, value: (row) => derived(row, per), show: (row) => number(derived(row, per)) }, { key: "unit", title: "Unit", value: (row) => row.unit }]} />}
      <p class="muted">MLPerf is a trademark of MLCommons. Results are as the imported tables have them; 99 and 99.9 are separate benchmarks and never added up.</p>
    </>
  );
}

function describing(): Column<Result>[] {
  return [
    { key: "round", title: "Round", value: (row) => row.round },
    { key: "id", title: "ID", value: (row) => row.id },
    { key: "submitter", title: "Submitter", value: (row) => row.submitter },
    { key: "system", title: "System", isLong: true, value: (row) => row.system },
    { key: "hardware", title: "Accelerator", isLong: true, value: (row) => row.hardware },
    { key: "accelerators", title: "Count", isNumber: true, value: (row) => row.accelerators },
    { key: "model", title: "Model", value: (row) => row.model },
    { key: "scenario", title: "Scenario", value: (row) => row.scenario },
  ];
}

/** A result per accelerator or node; unknown counts give no number. */
function derived(row: Result, per: string): number | null {
  if (per === "" || row.value === null) return row.value;
  const count = per === "node" ? row.nodes : row.accelerators;
  return count ? row.value / count : null;
}

interface Pair {
  row: Result;
  offline: number;
  server: number;
}

/** How much of the offline throughput is left under the latency bounds of the Server scenario, for equal submissions. */
function ServerAgainstOffline({ rows }: { rows: readonly Result[] }) {
  const offline = new Map(rows.filter((row) => row.scenario === "Offline" && row.metric === "result").map((row) => [keyOf(row), row]));
  const pairs = rows.flatMap((row): Pair[] => {
    const other = row.scenario === "Server" && row.metric === "result" ? offline.get(keyOf(row)) : undefined;
    return other?.value && row.value !== null ? [{ row, offline: other.value, server: row.value }] : [];
  });
  const columns: Column<Pair>[] = describing().filter(({ key }) => key !== "scenario").map((column) => ({ key: column.key, title: column.title, value: (pair) => column.value(pair.row), ...(column.isNumber ? { isNumber: true } : {}) }));
  return (
    <DataTable
      name="Server against Offline"
      rows={pairs}
      order="-ratio"
      columns={[
        ...columns,
        { key: "offline", title: "Offline", isNumber: true, value: (pair) => pair.offline, show: (pair) => number(pair.offline) },
        { key: "server", title: "Server", isNumber: true, value: (pair) => pair.server, show: (pair) => number(pair.server) },
        { key: "ratio", title: "Server / Offline †", isNumber: true, value: (pair) => pair.server / pair.offline, show: (pair) => `${((pair.server / pair.offline) * 100).toFixed(1)} %` },
      ]}
    />
  );
}

/** A query of the Server scenario is one sample. */
function keyOf(row: Result): string {
  return JSON.stringify([row.round, row.id, row.model, row.unit?.replace("Queries", "Samples")]);
}
