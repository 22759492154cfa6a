/** The cheapest configurations that meet objectives. */
import { useAddress } from "../address";
import { type Page, query as queryOf, read, useLoaded, valueOf } from "../api";
import { DataTable } from "../DataTable";
import { number } from "../format";
import { Ready, Select, TextField } from "../parts";

interface CheapestRow {
  point: string;
  model: string;
  hardware: string;
  framework: string;
  precision: string;
  sequence: string;
  layout: string;
  conc: number;
  gpus: number;
  tokens: string;
  throughput_per_gpu: number;
  interactivity: number;
  ttft_s: number;
  usd_per_million: number;
  usd_per_million_low: number | null;
  usd_per_million_high: number | null;
  usd_per_month: number | null;
  gpus_for_month: number | null;
  usd_per_gpu_hour: number;
  provider: string;
  price_date: string;
}

const TOKENS = [
  { value: "total", title: "all tokens" },
  { value: "input", title: "input tokens" },
  { value: "output", title: "output tokens" },
];

/** The fields of objectives, their text in the API, and their units. */
const OBJECTIVES = [
  { name: "ttft", label: "TTFT p99 under (ms)", of: (bound: string) => `ttft:p99<${bound}` },
  { name: "itl", label: "ITL p95 under (ms)", of: (bound: string) => `itl:p95<${bound}` },
  { name: "tpot", label: "TPOT median under (ms)", of: (bound: string) => `tpot:median<${bound}` },
  { name: "intvty", label: "Interactivity over (tok/s/user)", of: (bound: string) => `interactivity:median>${bound}` },
];

export function Cost() {
  const { query } = useAddress();
  const slos = OBJECTIVES.flatMap(({ name, of }) => (query.get(name) ? [["slo", of(query.get(name) ?? "")] as const] : []));
  const path = `/api/v1/cheapest${queryOf([
    ["branch", query.get("branch")],
    ["as_of", query.get("as_of")],
    ["filter", query.get("model") ? `model=${query.get("model")}` : null],
    ["tokens", query.get("tokens")],
    ["tokens_per_month", query.get("month")],
    ["provider", query.get("provider")],
    ...slos,
    ["limit", "500"],
  ])}`;
  const loaded = useLoaded(path, async () => (await read<Page<CheapestRow>>(path)).data);
  const prices = useLoaded("prices", async () => (await read<Page<{ provider: string }>>("/api/v1/prices")).data);
  const providers = [...new Set((valueOf(prices) ?? []).map((price) => price.provider))].sort();
  const tokens = query.get("tokens") ?? "total";
  const money = (value: number | null) => (value === null ? "–" : `$${value < 10 ? value.toFixed(3) : number(value)}`);
  return (
    <div class="content alone">
      <h1>Cost</h1>
      <div class="controls">
        <TextField label="Model" name="model" placeholder="all" />
        <Select label="Paid for" name="tokens" options={TOKENS} fallback="total" />
        <Select label="Prices of" name="provider" options={[{ value: "", title: "first of each hardware" }, ...providers.map((value) => ({ value, title: value }))]} fallback="" />
        {OBJECTIVES.map(({ name, label }) => (
          <TextField key={name} label={label} name={name} placeholder="none" />
        ))}
        <TextField label="Tokens a month" name="month" placeholder="1e9" />
      </div>
      <p class="muted">
        $ per million {tokens} tokens = $ per GPU and hour / (3600 × {tokens === "total" ? "tokens" : `${tokens} tokens`} a second and GPU) × 10⁶. The interval is that of the throughput. Points of hardware without a price are not listed.
      </p>
      <Ready of={loaded}>
        {(rows) =>
          rows.length === 0 ? (
            <p class="empty">No measured point meets the objectives, or none has a price.</p>
          ) : (
            <DataTable
              name={`Cost of a million ${tokens} tokens`}
              rows={rows}
              order="cost"
              columns={[
                { key: "cost", title: `$ / M ${tokens} tok`, isNumber: true, value: (row) => row.usd_per_million, show: (row) => <strong>{money(row.usd_per_million)}</strong> },
                { key: "interval", title: "95 % interval", value: (row) => (row.usd_per_million_low === null ? null : `${money(row.usd_per_million_low)} to ${money(row.usd_per_million_high)}`) },
                { key: "model", title: "Model", value: (row) => row.model },
                { key: "hardware", title: "Hardware", value: (row) => row.hardware },
                { key: "framework", title: "Engine", value: (row) => row.framework },
                { key: "precision", title: "Precision", value: (row) => row.precision },
                { key: "sequence", title: "ISL/OSL", value: (row) => row.sequence },
                { key: "layout", title: "Layout", value: (row) => row.layout },
                { key: "conc", title: "Conc", isNumber: true, value: (row) => row.conc },
                { key: "tput", title: "tok/s/GPU", isNumber: true, value: (row) => row.throughput_per_gpu, show: (row) => number(row.throughput_per_gpu) },
                { key: "speed", title: "tok/s/user", isNumber: true, value: (row) => row.interactivity, show: (row) => number(row.interactivity) },
                { key: "ttft", title: "TTFT (ms)", isNumber: true, value: (row) => row.ttft_s * 1e3, show: (row) => number(row.ttft_s * 1e3) },
                ...(query.get("month") ? [
                  { key: "gpus", title: "GPUs for the month", isNumber: true, value: (row: CheapestRow) => row.gpus_for_month },
                  { key: "bill", title: "$ a month", isNumber: true, value: (row: CheapestRow) => row.usd_per_month, show: (row: CheapestRow) => money(row.usd_per_month) },
                ] : []),
                { key: "price", title: "Price", value: (row) => row.usd_per_gpu_hour, show: (row) => `$${row.usd_per_gpu_hour.toFixed(2)}/GPU/h, ${row.provider}, ${row.price_date}` },
              ]}
            />
          )
        }
      </Ready>
    </div>
  );
}
