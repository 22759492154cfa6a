/** Ratios of two sides over common concurrencies, as `/api/v1/versions` and `/api/v1/architectures` compute them. */
import { type Column, DataTable } from "./DataTable";
import { number, percent } from "./format";
import { Verdict } from "./parts";

export interface Ratio {
  metric: string;
  concurrencies: number[];
  ratio: number;
  low: number | null;
  high: number | null;
  least: number;
  median: number;
  most: number;
  wins: number;
  left_out: number;
  verdict: string;
}

/** Titles of metrics as comparisons name them. */
export const RATIO_METRICS = [
  { value: "throughput-per-gpu", title: "Throughput per GPU" },
  { value: "output-throughput-per-gpu", title: "Output throughput per GPU" },
  { value: "ttft", title: "TTFT, median" },
  { value: "tpot", title: "TPOT / ITL, median" },
  { value: "interactivity", title: "Interactivity, median" },
  { value: "e2el", title: "E2E latency, median" },
];

export function RatioTable<T extends Ratio>({ name, rows, describing, orderKey }: { name: string; rows: readonly T[]; describing: readonly Column<T>[]; orderKey: string }) {
  return (
    <DataTable
      name={name}
      rows={rows}
      order="ratio"
      page={20}
      orderKey={orderKey}
      notes={["ratio: geometric mean of head / base over the concurrencies that both have; interval: 95 %, of that mean over concurrencies"]}
      columns={[
        ...describing,
        { key: "verdict", title: "Verdict", value: (row) => row.verdict, show: (row) => <Verdict verdict={row.verdict} /> },
        { key: "ratio", title: "Change", isNumber: true, value: (row) => row.ratio - 1, show: (row) => <strong>{percent(row.ratio - 1)}</strong> },
        { key: "interval", title: "95 % interval", value: (row) => (row.low === null || row.high === null ? null : `${percent(row.low - 1)} to ${percent(row.high - 1)}`) },
        { key: "median", title: "Median", isNumber: true, value: (row) => row.median, show: (row) => percent(row.median - 1) },
        { key: "least", title: "Least", isNumber: true, value: (row) => row.least, show: (row) => percent(row.least - 1) },
        { key: "most", title: "Most", isNumber: true, value: (row) => row.most, show: (row) => percent(row.most - 1) },
        { key: "wins", title: "Better at", value: (row) => row.wins, show: (row) => `${row.wins} of ${row.concurrencies.length}` },
        { key: "concurrencies", title: "Common concurrencies", value: (row) => row.concurrencies.map(number).join(", ") },
      ]}
    />
  );
}
