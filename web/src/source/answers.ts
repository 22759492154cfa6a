/**
 * Answers to paths of the results API from shards. What needs statistics (levels, changes, frontiers, comparisons, costs) was computed by the
 * program when the shards were written; here rows are only selected, counted and sorted. `tests/serving/modes.rs` compares the answers with
 * those of a server.
 */
import { type Row, Selection, present } from "./selecting";
import { indexOf, type PointShard, rowsOf, type Shards, type Table } from "./shards";

interface List {
  data: Row[];
  next: string | null;
}

type Answer = (shards: Shards, query: URLSearchParams) => Promise<unknown>;

const ROUTES: Record<string, Answer> = {
  "/api/v1/points": points,
  "/api/v1/curves": curves,
  "/api/v1/runs": runs,
  "/api/v1/series": series,
  "/api/v1/changes": changes,
  "/api/v1/frontier": frontier,
  "/api/v1/reliability": reliability,
  "/api/v1/cheapest": (shards, query) => selected("/api/v1/cheapest", shards, query),
  "/api/v1/costs": (shards, query) => selected("/api/v1/costs", shards, query),
  "/api/v1/deployments": (shards, query) => selected("/api/v1/deployments", shards, query),
  "/api/v1/compare": compare,
  "/api/v1/records": records,
  "/api/v1/regressions": regressions,
  "/api/v1/bisection": bisection,
  "/api/v1/annotated": (shards, query) => ofBranch(shards, "/api/v1/annotated", query.get("branch") ?? MAIN),
};

/** The answer to a path with a query. */
export async function answer(shards: Shards, path: string): Promise<unknown> {
  const [route = "", text = ""] = path.split("?", 2);
  const query = new URLSearchParams(text);
  if (query.get("as_of")) throw new Error("These pages have one state of the history, that of their making; imax serve answers for every time.");
  const known = await whole(shards, route, query);
  if (known !== undefined) return known;
  const own = ROUTES[route];
  if (own) return own(shards, query);
  throw new Error(`These pages were made ahead of time and have no answer to ${path}; imax serve has one.`);
}

/** An answer that was made for exactly this path. */
async function whole(shards: Shards, route: string, query: URLSearchParams): Promise<unknown> {
  const index = await indexOf(shards);
  const shard = index.answers[canonical(route, query)];
  return shard === undefined ? undefined : shards.get(shard);
}

/** A path with its parameters in order, as the index names answers. */
export function canonical(route: string, query: URLSearchParams): string {
  const pairs = [...query].filter(([, value]) => value !== "").map(([name, value]) => `${name}=${value}`);
  return pairs.length === 0 ? route : `${route}?${pairs.sort().join("&")}`;
}

/** What a run keeps of a point; jobs have shards of their own, because one measures several points. `null` of points that none were written of. */
async function records(shards: Shards, query: URLSearchParams): Promise<unknown> {
  const { records: list } = await indexOf(shards);
  const named = list ? await shards.get<Record<string, string>>(list) : {};
  const shard = named[["run", "curve", "conc"].map((name) => query.get(name) ?? "").join(" ")];
  if (shard === undefined) return null;
  const found = await shards.get<{ jobs: string[] }>(shard);
  return { ...found, jobs: await Promise.all(found.jobs.map((job) => shards.get(job))) };
}

/** The answer that was made for a branch. */
async function ofBranch(shards: Shards, route: string, branch: string): Promise<List> {
  const found = await whole(shards, route, new URLSearchParams([["branch", branch]]));
  return (found as List | undefined) ?? { data: [], next: null };
}

const MAIN = "main";

/** A page of rows; the cursor is the number of rows before it. */
function pageOf(rows: readonly Row[], query: URLSearchParams, usual: number): List {
  const start = Number(query.get("cursor") ?? 0);
  const limit = Number(query.get("limit") ?? usual);
  return { data: rows.slice(start, start + limit), next: rows.length > start + limit ? String(start + limit) : null };
}

function project(row: Row, fields: string | null): Row {
  return fields === null ? row : Object.fromEntries(fields.split(",").map((name) => [name, row[name] ?? null]));
}

/** Rows by a column, those without a value last. */
function sorted(rows: Row[], sort: string): Row[] {
  const isDescending = sort.startsWith("-");
  const column = isDescending ? sort.slice(1) : sort;
  const sign = isDescending ? -1 : 1;
  return rows.sort((one, other) => {
    const [left, right] = [one[column], other[column]];
    const isLeft = present(left);
    if (!isLeft || !present(right)) return Number(!isLeft) - Number(!present(right));
    const order = typeof left === "number" && typeof right === "number" ? left - right : String(left) < String(right) ? -1 : Number(String(left) !== String(right));
    return sign * order || sign * (Number(one["id"]) - Number(other["id"]));
  });
}

const NEWEST_FIRST = "-started";

async function points(shards: Shards, query: URLSearchParams): Promise<List> {
  const { points: all } = await indexOf(shards);
  const selection = new Selection(query);
  const sort = query.get("sort") ?? NEWEST_FIRST;
  const wanted = Number(query.get("cursor") ?? 0) + Number(query.get("limit") ?? 1000);
  const order = all.filter((shard) => mayHave(shard, selection)).sort((one, other) => (one.to < other.to ? 1 : one.to > other.to ? -1 : 0));
  let found: Row[] = [];
  for (const shard of order) {
    // Older shards add nothing to a page of the newest points.
    const last = found[wanted];
    if (sort === NEWEST_FIRST && last !== undefined && shard.to < String(last["started"])) break;
    const rows = rowsOf(await shards.get<Table>(shard.shard));
    found.push(...rows.filter((row) => selection.has(row)));
    if (sort === NEWEST_FIRST) found = sorted(found, sort);
  }
  const { data, next } = pageOf(sorted(found, sort), query, 1000);
  return { data: data.map((row) => project(row, query.get("fields"))), next };
}

function mayHave(shard: PointShard, selection: Selection): boolean {
  return selection.hasModel(shard.model) && selection.hasTime(shard.from, shard.to) && (selection.run === null || shard.runs.includes(selection.run));
}

/** Curves with their points, as the program wrote them for each model of each branch. */
async function curves(shards: Shards, query: URLSearchParams): Promise<List> {
  const { newest } = await indexOf(shards);
  const selection = new Selection(query);
  const branch = query.get("branch") ?? MAIN;
  const wanted = newest.filter((known) => known.branch === branch && selection.hasModel(known.model));
  const tables = await Promise.all(wanted.map(({ shard }) => shards.get<{ dimensions: string[]; points: Table }>(shard)));
  const fields = query.get("fields");
  const found = tables.flatMap(({ dimensions, points: table }) => {
    const byCurve = new Map<string, { curve: Row; points: Row[] }>();
    for (const row of rowsOf(table)) {
      if (!selection.has(row, ["branch"])) continue;
      const name = `${row["curve"]} ${row["run"]}`;
      const known = byCurve.get(name) ?? { curve: project(row, dimensions.join(",")), points: [] };
      byCurve.set(name, known);
      known.points.push(project(row, fields));
    }
    return [...byCurve.values()].map(({ curve, points: own }): Row => ({ ...curve, points: own }));
  });
  return pageOf(found, query, 100);
}

async function runs(shards: Shards, query: URLSearchParams): Promise<List> {
  const { runs: names } = await indexOf(shards);
  const wanted = Number(query.get("cursor") ?? 0) + Number(query.get("limit") ?? 100);
  const selection = new Selection(query);
  const found: Row[] = [];
  for (const name of names) {
    if (found.length > wanted) break;
    found.push(...(await shards.get<Row[]>(name)).filter((row) => selection.has(row)));
  }
  return pageOf(found, query, 100);
}

/** What the program computed of a point's values over time. */
interface KeptSeries {
  point: string;
  key: { conc: number };
  curve: string;
  /** Levels by branch and metric. */
  branches: Record<string, { method: string; levels: Record<string, unknown[]> }>;
}

/** The columns of a metric: its mean, its median, and the ending of the interval's. */
interface Statistics {
  mean: string;
  median: string;
  interval: string | null;
}

interface SeriesShard {
  metrics: Record<string, Statistics>;
  series: KeptSeries[];
}

async function series(shards: Shards, query: URLSearchParams): Promise<List> {
  const { series: known, points: all } = await indexOf(shards);
  const selection = new Selection(query);
  const branch = query.get("branch") ?? "";
  const metric = query.get("metric") ?? "throughput-per-gpu";
  const data: Row[] = [];
  for (const { model, shard: name } of known.filter((one) => selection.hasModel(one.model))) {
    const shard = await shards.get<SeriesShard>(name);
    const statistics = shard.metrics[metric];
    if (!statistics) throw new Error(`There is no metric ${metric}.`);
    const tables = await Promise.all(all.filter((one) => one.model === model && mayHave(one, selection)).map((one) => shards.get<Table>(one.shard)));
    const byPoint = new Map<string, Row[]>();
    for (const row of tables.flatMap(rowsOf)) {
      if (row["outcome"] !== "measured" || row["kind"] === "pull-request" || !selection.has(row)) continue;
      const point = `${row["curve"]} ${row["conc"]}`;
      const rows = byPoint.get(point);
      if (rows) rows.push(row);
      else byPoint.set(point, [row]);
    }
    for (const one of shard.series) {
      const rows = byPoint.get(`${one.curve} ${one.key.conc}`);
      if (!rows) continue;
      const kept = one.branches[branch];
      const values = valuesOf(sorted(rows, "started"), statistics, query.get("by") ?? "date");
      data.push({ point: one.point, key: one.key, metric, values, levels: kept?.levels[metric] ?? [], method: kept?.method ?? null });
    }
  }
  return { data, next: null };
}

function valuesOf(rows: readonly Row[], { mean, median, interval }: Statistics, by: string): Row[] {
  // A change of the statistic would look like a change of the level.
  const column = rows.every((row) => present(row[mean])) ? mean : median;
  return rows
    .filter((row) => present(row[column]))
    .map((row) => ({
      x: { date: row["started"], commit: row["commit"], image: row["image"], version: row["engine_version"] }[by] ?? null,
      run: row["run"],
      date: row["started"],
      commit: row["commit"],
      image: row["image"] ?? null,
      value: row[column],
      low: interval ? (row[`ci_low_${interval}`] ?? null) : null,
      high: interval ? (row[`ci_high_${interval}`] ?? null) : null,
      producer: row["producer"] ?? null,
    }));
}

async function changes(shards: Shards, query: URLSearchParams): Promise<List> {
  const selection = new Selection(query);
  const metric = query.get("metric");
  const { data } = await ofBranch(shards, "/api/v1/changes", query.get("branch") ?? MAIN);
  const found = data.filter((row) => (metric === null || row["metric"] === metric) && selection.hasKey(row["key"]) && selection.hasTime(String(row["at"]), String(row["at"])));
  return { data: found, next: null };
}

/** Threads of a branch; those of a model have some of its points. */
async function regressions(shards: Shards, query: URLSearchParams): Promise<List> {
  const { data } = await ofBranch(shards, "/api/v1/regressions", query.get("branch") ?? MAIN);
  const selection = new Selection(query);
  return { data: data.filter((thread) => (thread["models"] as string[]).some((model) => selection.hasModel(model))), next: null };
}

/** What lies between the runs of a thread, of all its models. */
async function bisection(shards: Shards, query: URLSearchParams): Promise<unknown> {
  const pairs = ["thread", "branch"].map((name) => [name, query.get(name) ?? ""]);
  const found = await whole(shards, "/api/v1/bisection", new URLSearchParams(pairs.filter(([name, value]) => value !== "" && !(name === "branch" && value === MAIN))));
  if (found === undefined) throw new Error("These pages have bisections of the newest threads only; imax serve has one of each.");
  return found;
}

/** The interactivities at which frontiers were read by the program. */
async function frontier(shards: Shards, query: URLSearchParams): Promise<List> {
  const selection = new Selection(query);
  const at = query.getAll("at").map(Number);
  const { data } = await ofBranch(shards, "/api/v1/frontier", query.get("branch") ?? MAIN);
  if (selection.keys().some((key) => ["layout", "conc"].includes(key))) throw new Error("These pages have frontiers of all layouts and concurrencies; imax serve restricts them.");
  const found = data.filter((row) => selection.hasKey({ curve: row["key"] }));
  return {
    data: found.map((row) => {
      const readings = (row["readings"] as Row[]).filter((reading) => at.includes(Number(reading["at"])));
      if (readings.length < at.length) throw new Error(`These pages have frontiers read at other interactivities than ${at.join(", ")}; imax serve reads them anywhere.`);
      return { ...row, readings };
    }),
    next: null,
  };
}

/** Counts of a run's outcomes: the only numbers of the reliability page that depend on a period. */
async function reliability(shards: Shards, query: URLSearchParams): Promise<List> {
  const selection = new Selection(query);
  const { outcomes } = await indexOf(shards);
  const tables = await Promise.all(outcomes.map((name) => shards.get<Table>(name)));
  const groups = new Map<string, Row>();
  for (const row of tables.flatMap(rowsOf)) {
    if (!selection.has(row)) continue;
    const name = JSON.stringify([row["hardware"], row["framework"]]);
    const group = groups.get(name) ?? { hardware: row["hardware"], framework: row["framework"], points: 0, measured: 0, failed: 0, outcomes: {}, newest_measured: null, newest_failed: null };
    groups.set(name, group);
    const [outcome, amount, started] = [String(row["outcome"]), Number(row["points"]), String(row["started"])];
    const isMeasured = outcome === "measured";
    const counts = group["outcomes"] as Record<string, number>;
    counts[outcome] = (counts[outcome] ?? 0) + amount;
    group["points"] = Number(group["points"]) + amount;
    const [counted, newest] = isMeasured ? ["measured", "newest_measured"] : ["failed", "newest_failed"];
    group[counted] = Number(group[counted]) + amount;
    if (group[newest] === null || String(group[newest]) < started) group[newest] = started;
  }
  const order = (row: Row) => `${row["hardware"]}\u0000${row["framework"]}`;
  const data = [...groups.values()].sort((one, other) => (order(one) < order(other) ? -1 : 1));
  return { data, next: null };
}

/** Rows that the program computed for a branch, of which filters take some. What else changes them, such as objectives, only a server computes. */
async function selected(route: string, shards: Shards, query: URLSearchParams): Promise<List> {
  const selection = new Selection(query);
  const kept = new URLSearchParams([...query].filter(([name, value]) => name !== "filter" && !(name === "branch" && value === MAIN)));
  const found = (await whole(shards, route, kept)) as List | undefined;
  if (!found) throw new Error(`These pages were made ahead of time, without what ${[...kept.keys()].join(", ") || route} asks for; imax serve computes it.`);
  return { data: found.data.filter((row) => selection.hasRow(row)), next: null };
}

interface Compared {
  counts: Record<string, number>;
  comparison: { base: string; head: string; points: { point: unknown; verdict: string }[] };
  unpaired: { key: unknown }[];
}

/** A comparison that was made; filters choose of its points, as those of `imax report` do, and leave the verdicts as they are. */
async function compare(shards: Shards, query: URLSearchParams): Promise<Compared> {
  const selection = new Selection(query);
  const pair = new URLSearchParams(["base", "head"].map((name) => [name, query.get(name) ?? ""]));
  const found = (await whole(shards, "/api/v1/compare", pair)) as Compared | undefined;
  if (!found) throw new Error(`These pages have comparisons of the newest runs with the one before them, none of ${query.get("head")} with ${query.get("base")}; imax serve compares any sets.`);
  if (selection.keys().length === 0) return found;
  const points = found.comparison.points.filter(({ point }) => selection.hasKey(point));
  const counts = Object.fromEntries(Object.keys(found.counts).map((verdict) => [verdict, points.filter((point) => point.verdict === verdict).length]));
  return { counts, comparison: { ...found.comparison, points }, unpaired: found.unpaired.filter(({ key }) => selection.hasKey(key)) };
}
