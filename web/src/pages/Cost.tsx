/** What tokens cost in money and energy: the cheapest configurations that meet objectives, fleets, an API's price, and the past. */
import { useMemo } from "preact/hooks";
import { useAddress } from "../address";
import { type Page, type Point, query as queryOf, read, useLoaded, valueOf } from "../api";
import { Chart } from "../chart/Chart";
import type { ChartModel, Mark } from "../chart/model";
import { measuredBy, mixtures } from "../comparable";
import { type Column, DataTable } from "../DataTable";
import { FRAMEWORK, HARDWARE, lengths, lineOf, MODEL, nameOf, pageOf, PRECISION, SEQUENCE } from "../dimensions";
import { count, day, number, percent } from "../format";
import { webAddress } from "../links";
import { models } from "../models";
import { Card, Ready, Select, Switch, TextField, Warnings } from "../parts";
import { Slider } from "../Slider";

interface Objective {
  objective: string;
  value: number | null;
  bound: number;
  headroom: number | null;
}

interface Fleet {
  deployments: number;
  gpus: number;
  power_kw: number;
  usd_per_month: number;
  tokens_per_month: number;
  users: number;
  usd_per_million: number;
}

interface CostRow {
  point: string;
  model: string;
  hardware: string;
  framework: string;
  precision: string;
  sequence: string;
  layout: string;
  conc: number;
  gpus: number;
  is_met?: boolean;
  throughput_per_gpu: number;
  interactivity: number | null;
  ttft_s: number | null;
  /** Absent where no load meets the objectives. */
  usd_per_million: number | null;
  usd_per_million_low?: number | null;
  usd_per_million_high?: number | null;
  usd_per_gpu_hour: number;
  provider: string;
  price_date: string;
  price_kind?: string;
  price_source?: string | null;
  joules_per_million?: number;
  wh_per_million?: number;
  gco2_per_million?: number;
  power_source?: "measured" | "tdp";
  objectives?: Objective[];
  limited_by?: string | null;
  next?: { conc: number; usd_per_million: number; missed: string[] } | null;
  fleet?: Fleet | null;
  break_even?: { tokens_per_month: number; utilisation: number; saved_usd_per_million: number } | null;
}

interface Price {
  hardware: string;
  provider: string;
  kind: string;
  date: string;
  usd_per_gpu_hour: number;
  source: string | null;
}

const TOKENS = [
  { value: "total", title: "all tokens" },
  { value: "input", title: "input tokens" },
  { value: "output", title: "output tokens" },
];
const KINDS = [
  { value: "", title: "all kinds" },
  { value: "on-demand", title: "on demand" },
  { value: "spot", title: "spot" },
  { value: "reserved", title: "reserved" },
  { value: "estimate", title: "estimates" },
];

/** Latencies that are bound by sliders, in milliseconds. */
const LATENCIES = [
  { name: "ttft", label: "TTFT", least: 5, most: 20_000, usual: "p99" },
  { name: "itl", label: "ITL", least: 1, most: 500, usual: "p95" },
  { name: "tpot", label: "TPOT", least: 1, most: 500, usual: "median" },
  { name: "e2el", label: "E2E latency", least: 50, most: 200_000, usual: "p95" },
];
const STATISTICS = ["mean", "median", "p90", "p95", "p99"].map((value) => ({ value, title: value }));

/** The objectives of an address, as the API names them. */
function objectivesOf(query: URLSearchParams): string[] {
  const latencies = LATENCIES.flatMap(({ name, usual }) => (query.get(name) ? [`${name}:${query.get(`${name}_at`) ?? usual}<${query.get(name)}`] : []));
  return query.get("intvty") ? [...latencies, `interactivity:median>${query.get("intvty")}`] : latencies;
}

export function Cost() {
  const { query } = useAddress();
  const objectives = objectivesOf(query);
  const selected: [string, string | null][] = [
    ["branch", query.get("branch")],
    ["as_of", query.get("as_of")],
    ["filter", query.get("model") ? `model=${query.get("model")}` : null],
    ["tokens", query.get("tokens")],
    ["provider", query.get("provider")],
    ["price_kind", query.get("price")],
    ...objectives.map((objective): [string, string] => ["slo", objective]),
  ];
  const path = `/api/v1/cheapest${queryOf([
    ...selected,
    ["tokens_per_month", query.get("month")],
    ["power_kw", query.get("month") ? null : query.get("kw")],
    ["utilisation", query.get("busy")],
    ["api_usd_per_million", query.get("api")],
    ["imports", query.get("imports") === "0" ? null : "true"],
    ["configurations", query.get("loads") === "1" ? null : "true"],
    ["unreachable", objectives.length > 0 ? "true" : null],
    ["limit", "1000"],
  ])}`;
  const loaded = useLoaded(path, async () => (await read<Page<CostRow>>(path)).data);
  const prices = useLoaded("prices", async () => (await read<Page<Price>>("/api/v1/prices")).data);
  const known = useLoaded(`models ${query.get("branch")} ${query.get("as_of")}`, () => models(query));
  const tokens = query.get("tokens") ?? "total";
  return (
    <div class="content alone">
      <h1>Cost and energy</h1>
      <Controls prices={valueOf(prices)} known={valueOf(known)?.map(({ value }) => value)} />
      <Formula tokens={tokens} />
      <Ready of={loaded}>{(rows) => <Found rows={rows} tokens={tokens} query={query} hasObjectives={objectives.length > 0} />}</Ready>
      <Past selected={selected} tokens={tokens} />
      <h2>Prices</h2>
      <Ready of={prices}>{(rows) => <Prices rows={rows} />}</Ready>
    </div>
  );
}

/** What is not loaded yet is `undefined`. */
function Controls({ prices, known }: { prices: readonly Price[] | undefined; known: readonly string[] | undefined }) {
  const providers = [...new Set((prices ?? []).map((price) => price.provider))].sort();
  return (
    <>
      <div class="controls">
        <Select label="Model" name="model" options={[{ value: "", title: "all" }, ...(known ?? []).map((value) => ({ value, title: value }))]} fallback="" isLoading={known === undefined} />
        <Select label="Paid for" name="tokens" options={TOKENS} fallback="total" />
        <Select label="Prices of" name="provider" options={[{ value: "", title: "first of each hardware" }, ...providers.map((value) => ({ value, title: value }))]} fallback="" isLoading={prices === undefined} />
        <Select label="Kind of price" name="price" options={KINDS} fallback="" />
        <Switch label="All loads" name="loads" />
        <Switch label="Imported results" name="imports" isOn />
      </div>
      <fieldset class="controls objectives">
        <legend>Objectives</legend>
        {LATENCIES.map(({ name, label, least, most, usual }) => (
          <div key={name} class="objective">
            <Slider label={`${label} under`} name={name} unit="ms" least={least} most={most} />
            <Select label={`${label} of`} name={`${name}_at`} options={STATISTICS} fallback={usual} />
          </div>
        ))}
        <Slider label="Interactivity over" name="intvty" unit="tok/s/user" least={1} most={1000} />
      </fieldset>
      <fieldset class="controls objectives">
        <legend>Fleet and API</legend>
        <TextField label="Tokens a month" name="month" placeholder="1e9" />
        <TextField label="or site power (kW)" name="kw" placeholder="1000" />
        <TextField label="Busy share of the time" name="busy" placeholder="1" />
        <TextField label="API price ($ / M tokens)" name="api" placeholder="0.60" />
      </fieldset>
    </>
  );
}

function Formula({ tokens }: { tokens: string }) {
  const kind = tokens === "total" ? "tokens" : `${tokens} tokens`;
  return (
    <p class="muted">
      $ per million {kind} = $ per GPU and hour / (3600 × {kind} a second and GPU) × 10⁶; all GPUs of a deployment are paid. J per million {kind} = power of a GPU / ({kind} a second and GPU) × 10⁶, GPUs alone; ~ is computed with the design power (an upper bound), other numbers with the power
      measured under load. Intervals are those of the throughput. Hardware without a price is not listed.
    </p>
  );
}

function money(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  return `$${value < 10 ? value.toFixed(3) : number(value)}`;
}

/** Kilojoules and megajoules where joules have too many digits. */
function joules(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  return value >= 1e6 ? `${number(value / 1e6)} MJ` : value >= 1e3 ? `${number(value / 1e3)} kJ` : `${number(value)} J`;
}

function energy(row: CostRow): string {
  return `${row.power_source === "tdp" ? "~" : ""}${joules(row.joules_per_million)}`;
}

function Found({ rows, tokens, query, hasObjectives }: { rows: readonly CostRow[]; tokens: string; query: URLSearchParams; hasObjectives: boolean }) {
  const found = rows.filter((row) => row.usd_per_million !== null);
  const missed = rows.filter((row) => row.usd_per_million === null);
  const first = found[0];
  const warnings = costMixtures(rows);
  const isFleetAsked = Boolean(query.get("month") || query.get("kw"));
  return (
    <>
      {first && <Answer first={first} second={found.find((row) => row.hardware !== first.hardware)} tokens={tokens} query={query} />}
      <Warnings texts={warnings} />
      {found.length === 0 ? (
        <p class="empty">{hasObjectives ? "No measured point meets the objectives and has a price." : "No measured point has a price."}</p>
      ) : (
        <DataTable name={`Cost of a million ${tokens} tokens`} rows={found} order="cost" page={15} columns={columns(tokens, hasObjectives)} notes={warnings} />
      )}
      {missed.length > 0 && <Missed rows={missed} />}
      {found.some((row) => row.fleet) && <FleetTable rows={found} />}
      {isFleetAsked && found.length > 0 && !found.some((row) => row.fleet) && <p class="empty">No deployment fits.</p>}
      {found.some((row) => row.break_even) && <BreakEvenTable rows={found} price={query.get("api") ?? ""} />}
    </>
  );
}

/** The numbers of the table, as the guard knows them. */
const THROUGHPUT = { column: "tput_per_gpu" };
const ENERGY = { column: "joules_per_total_token" };

/** Why costs of rows cannot be compared. */
function costMixtures(rows: readonly CostRow[]): string[] {
  return mixtures(rows.map((row) => ({ model_prefix: row.model, scenario: lengths(row.sequence), ...measuredBy(null, row.power_source) }) as Point), THROUGHPUT, ENERGY);
}

function share(value: number | null): string {
  return value === null ? "–" : `${number(value * 100)} %`;
}

/** What an objective leaves, in words. */
function headroom(objective: Objective): string {
  const unit = objective.objective.startsWith("interactivity") || objective.objective.startsWith("intvty") ? "tok/s" : "ms";
  return `${objective.objective}: ${number(objective.value)} ${unit}, ${share(objective.headroom)} left`;
}

function Answer({ first, second, tokens, query }: { first: CostRow; second: CostRow | undefined; tokens: string; query: URLSearchParams }) {
  const tightest = first.objectives?.find((objective) => objective.objective === first.limited_by);
  const kind = tokens === "total" ? "tokens" : `${tokens} tokens`;
  return (
    <>
      <div class="cards">
        <Card title={`Cheapest, a million ${kind}`} value={money(first.usd_per_million)} note={first.usd_per_million_low ? `95 % ${money(first.usd_per_million_low)} to ${money(first.usd_per_million_high)}` : "no interval: the throughput has none"} />
        <Card title={`Energy, a million ${kind}`} value={energy(first)} note={`GPUs alone; site ${number(first.wh_per_million)} Wh, ${number(first.gco2_per_million)} g CO₂`} />
        <Card title="Left to the tightest objective" value={tightest ? share(tightest.headroom) : "–"} note={tightest ? headroom(tightest) : "no objective is set"} />
        {first.fleet && <Card title="Fleet" value={`${number(first.fleet.gpus)} GPUs`} note={`${number(first.fleet.power_kw)} kW, ${money(first.fleet.usd_per_month)} a month, ${number(first.fleet.users)} requests in flight`} />}
        {first.break_even && <Card title="Cheaper than the API from" value={first.break_even.utilisation > 1 ? "never" : `${number(first.break_even.utilisation * 100)} % busy`} tone={first.break_even.utilisation > 1 ? "worse" : "better"} note={`${number(first.break_even.tokens_per_month)} ${kind} a month for each deployment`} />}
      </div>
      <p>
        <strong>
          {first.model} {first.precision} on {first.gpus} × {first.hardware} with {first.framework} {first.layout}, {lengths(first.sequence)}, concurrency {first.conc}
        </strong>{" "}
        at ${first.usd_per_gpu_hour.toFixed(2)} per GPU and hour ({first.price_kind ?? "price"} of {first.provider}, {first.price_date}
        {webAddress(first.price_source) && (
          <>
            , <a href={first.price_source ?? ""} rel="noreferrer" target="_blank">source</a>
          </>
        )}
        ).
        {first.next && ` Concurrency ${first.next.conc} would cost ${money(first.next.usd_per_million)} and misses ${first.next.missed.join(", ")}.`}
        {second && first.usd_per_million !== null && second.usd_per_million !== null && ` The best other hardware is ${second.hardware} at ${money(second.usd_per_million)} (${percent(second.usd_per_million / first.usd_per_million - 1)}).`}
        {query.get("busy") && ` Deployments are busy ${number(Number(query.get("busy")) * 100)} % of the time.`}
      </p>
    </>
  );
}

function describing(): Column<CostRow>[] {
  return [
    { key: "model", title: "Model", value: (row) => row.model },
    { key: "hardware", title: "Hardware", value: (row) => row.hardware },
    { key: "framework", title: "Engine", value: (row) => row.framework },
    { key: "precision", title: "Precision", value: (row) => row.precision },
    { key: "sequence", title: "ISL/OSL", value: (row) => lengths(row.sequence) },
    { key: "layout", title: "Layout", value: (row) => row.layout },
    { key: "conc", title: "Conc", isNumber: true, value: (row) => row.conc },
  ];
}

function columns(tokens: string, hasObjectives: boolean): Column<CostRow>[] {
  const limits: Column<CostRow>[] = [
    { key: "limit", title: "Limited by", isLong: true, value: (row) => row.limited_by ?? null, show: (row) => row.objectives?.filter(({ objective }) => objective === row.limited_by).map(headroom).join("; ") || "–" },
    { key: "next", title: "Next load", value: (row) => row.next?.usd_per_million ?? null, show: (row) => (row.next ? `conc ${row.next.conc}: ${money(row.next.usd_per_million)}, misses ${row.next.missed.join(", ")}` : "–") },
  ];
  return [
    { key: "cost", title: `$ / M ${tokens} tok`, isNumber: true, value: (row) => row.usd_per_million, show: (row) => <strong>{money(row.usd_per_million)}</strong> },
    { key: "interval", title: "95 % interval", value: (row) => (row.usd_per_million_low ? `${money(row.usd_per_million_low)} to ${money(row.usd_per_million_high)}` : null) },
    { key: "energy", title: `Energy / M ${tokens} tok`, isNumber: true, value: (row) => row.joules_per_million ?? null, show: (row) => <span title={row.power_source === "tdp" ? "with the design power" : "with the measured power"}>{energy(row)}</span> },
    ...describing(),
    { key: "tput", title: "tok/s/GPU", isNumber: true, value: (row) => row.throughput_per_gpu, show: (row) => number(row.throughput_per_gpu) },
    { key: "speed", title: "tok/s/user", isNumber: true, value: (row) => row.interactivity, show: (row) => number(row.interactivity) },
    { key: "ttft", title: "TTFT (ms)", isNumber: true, value: (row) => (row.ttft_s === null ? null : row.ttft_s * 1e3), show: (row) => number(row.ttft_s === null ? null : row.ttft_s * 1e3) },
    ...(hasObjectives ? limits : []),
    { key: "price", title: "Price", value: (row) => row.usd_per_gpu_hour, show: (row) => `$${row.usd_per_gpu_hour.toFixed(2)}/GPU/h ${row.price_kind ?? ""}, ${row.provider}, ${row.price_date}` },
  ];
}

function Missed({ rows }: { rows: readonly CostRow[] }) {
  const worst = (row: CostRow) => [...(row.objectives ?? [])].sort((one, other) => (one.headroom ?? -Infinity) - (other.headroom ?? -Infinity))[0];
  return (
    <details>
      <summary>{count(rows.length, "configuration")} of which no load meets the objectives</summary>
      <DataTable
        name="Configurations that miss the objectives"
        rows={rows}
        order="-headroom"
        orderKey="missed"
        page={15}
        columns={[
          ...describing(),
          { key: "headroom", title: "By", isNumber: true, value: (row) => worst(row)?.headroom ?? null, show: (row) => percent(worst(row)?.headroom) },
          { key: "objective", title: "What it misses, at the nearest load", isLong: true, value: (row) => (row.objectives ?? []).filter(({ headroom: left }) => left === null || left <= 0).map(({ objective, value }) => `${objective}: ${number(value)}`).join("; ") },
        ]}
      />
    </details>
  );
}

function FleetTable({ rows }: { rows: readonly CostRow[] }) {
  return (
    <>
      <h2>Fleet</h2>
      <DataTable
        name="Fleet"
        rows={rows.filter((row) => row.fleet)}
        order="bill"
        orderKey="fleet"
        page={10}
        notes={["deployments = ceil(tokens a month / (tokens a second × 2,628,000 s × busy share)), or floor(power / power of a deployment); $ a month = GPUs × $ per GPU and hour × 730"]}
        columns={[
          ...describing(),
          { key: "deployments", title: "Deployments", isNumber: true, value: (row) => row.fleet?.deployments ?? null, show: (row) => number(row.fleet?.deployments) },
          { key: "gpus", title: "GPUs", isNumber: true, value: (row) => row.fleet?.gpus ?? null, show: (row) => number(row.fleet?.gpus) },
          { key: "power", title: "Power (kW)", isNumber: true, value: (row) => row.fleet?.power_kw ?? null, show: (row) => `${row.power_source === "tdp" ? "~" : ""}${number(row.fleet?.power_kw)}` },
          { key: "bill", title: "$ a month", isNumber: true, value: (row) => row.fleet?.usd_per_month ?? null, show: (row) => <strong>{money(row.fleet?.usd_per_month)}</strong> },
          { key: "capacity", title: "M tokens a month", isNumber: true, value: (row) => (row.fleet ? row.fleet.tokens_per_month / 1e6 : null), show: (row) => number(row.fleet ? row.fleet.tokens_per_month / 1e6 : null) },
          { key: "users", title: "Requests in flight", isNumber: true, value: (row) => row.fleet?.users ?? null, show: (row) => number(row.fleet?.users) },
          { key: "effective", title: "$ / M tok served", isNumber: true, value: (row) => row.fleet?.usd_per_million ?? null, show: (row) => money(row.fleet?.usd_per_million) },
        ]}
      />
      <p class="muted">Whole deployments, paid for a month of 730 hours whether busy or not. Power has hosts and the facility.</p>
    </>
  );
}

function BreakEvenTable({ rows, price }: { rows: readonly CostRow[]; price: string }) {
  return (
    <>
      <h2>Against an API at {money(Number(price))} per million</h2>
      <DataTable
        name={`Break-even against ${price} dollars a million tokens`}
        rows={rows.filter((row) => row.break_even)}
        order="busy"
        orderKey="even"
        page={10}
        notes={["busy share = $ of a deployment a month / API price × 10⁶ / tokens that it can serve a month; above 100 % the API is always cheaper"]}
        columns={[
          ...describing(),
          { key: "busy", title: "Cheaper from, busy share", isNumber: true, value: (row) => row.break_even?.utilisation ?? null, show: (row) => (row.break_even && row.break_even.utilisation > 1 ? <span class="worse-text">never ({number(row.break_even.utilisation * 100)} %)</span> : <strong class="better-text">{number((row.break_even?.utilisation ?? NaN) * 100)} %</strong>) },
          { key: "tokens", title: "M tokens a month and deployment", isNumber: true, value: (row) => (row.break_even ? row.break_even.tokens_per_month / 1e6 : null), show: (row) => number(row.break_even ? row.break_even.tokens_per_month / 1e6 : null) },
          { key: "saved", title: "Saved / M when always busy", isNumber: true, value: (row) => row.break_even?.saved_usd_per_million ?? null, show: (row) => money(row.break_even?.saved_usd_per_million) },
        ]}
      />
    </>
  );
}

interface PriceThen {
  usd_per_million: number;
  usd_per_gpu_hour: number;
  provider: string;
  price_date: string;
}

type PastPoint = Point & { today: PriceThen; then: PriceThen | null };

const PAST_PRICES = [
  { value: "", title: "today's prices" },
  { value: "then", title: "prices of the day" },
];

function Past({ selected, tokens }: { selected: readonly (readonly [string, string | null])[]; tokens: string }) {
  const { query } = useAddress();
  const path = `/api/v1/costs${queryOf(selected)}`;
  const loaded = useLoaded(path, async () => (await read<Page<PastPoint>>(path)).data);
  const isThen = query.get("past") === "then";
  const points = valueOf(loaded);
  const model = useMemo(() => (points ? pastChart(points, tokens, isThen) : null), [points, tokens, isThen]);
  return (
    <>
      <h2>Over time</h2>
      <div class="controls">
        <Select label="At" name="past" options={PAST_PRICES} fallback="" />
      </div>
      <Ready of={loaded}>
        {(rows) =>
          rows.length === 0 || !model ? (
            <p class="muted">No run of this branch has a point that meets the objectives and has a price.</p>
          ) : (
            <>
              <Chart model={model} height={320} />
              <p class="muted">
                Each mark is the cheapest point of a run that meets the objectives. {isThen ? "Its price is the newest of the same provider and kind that was known on the day of the measurement; runs before the first price are left out." : "All runs have the price that counts today, so that a line shows the software alone."}
              </p>
            </>
          )
        }
      </Ready>
    </>
  );
}

function pastChart(points: readonly PastPoint[], tokens: string, isThen: boolean): ChartModel {
  const lines = new Map<string, Mark[]>();
  for (const point of points) {
    const price = isThen ? point.then : point.today;
    if (price === null) continue;
    const name = lineOf(point, [MODEL, HARDWARE, FRAMEWORK, PRECISION, SEQUENCE]);
    lines.set(name, [
      ...(lines.get(name) ?? []),
      {
        x: Date.parse(point.started ?? ""),
        y: price.usd_per_million,
        title: nameOf(point),
        href: pageOf(point),
        facts: [
          ["Run", `${point.run}, ${day(point.started)}`],
          [`$ / M ${tokens} tokens`, money(price.usd_per_million)],
          ["Price", `$${price.usd_per_gpu_hour.toFixed(2)}/GPU/h, ${price.provider}, ${price.price_date}`],
          ["At today's price", money(point.today.usd_per_million)],
          ["At the price of the day", point.then ? money(point.then.usd_per_million) : "not known"],
          ["Image", point.image ?? "–"],
        ],
      },
    ]);
  }
  return {
    name: `Cost of a million ${tokens} tokens over time, ${isThen ? "prices of the day" : "today's prices"}`,
    x: { title: "Run (UTC)", kind: "time" },
    y: { title: `$ per million ${tokens} tokens`, kind: "linear" },
    series: [...lines].map(([name, marks], style) => ({ name, style, marks, lines: [marks] })),
    notes: [`$ per million = $ per GPU and hour / (3600 × ${tokens} tokens a second and GPU) × 10⁶`],
  };
}

function Prices({ rows }: { rows: readonly Price[] }) {
  return (
    <DataTable
      name="Prices"
      rows={rows}
      order="hardware"
      orderKey="prices"
      page={10}
      columns={[
        { key: "hardware", title: "Hardware", value: (row) => row.hardware },
        { key: "provider", title: "Provider", value: (row) => row.provider },
        { key: "kind", title: "Kind", value: (row) => row.kind },
        { key: "price", title: "$ / GPU / h", isNumber: true, value: (row) => row.usd_per_gpu_hour, show: (row) => row.usd_per_gpu_hour.toFixed(2) },
        { key: "date", title: "Date", value: (row) => row.date },
        { key: "source", title: "Source", value: (row) => row.source, show: (row) => (webAddress(row.source) ? <a href={row.source ?? ""} rel="noreferrer" target="_blank">{webAddress(row.source)?.host}</a> : (row.source ?? "–")) },
      ]}
    />
  );
}
