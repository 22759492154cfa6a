/**
 * Parts of a history in files of bounded size, as `src/serve/snapshot` writes them: read one by one from a published site, or all in a report.
 */

/** Rows by columns. A column of one value for all rows is written once. */
export interface Table {
  rows: number;
  columns: Record<string, { all: unknown } | { each: unknown[] }>;
}

/** A shard of points, and what is known of it before it is read. */
export interface PointShard {
  shard: string;
  model: string;
  points: number;
  /** Dates of its oldest and newest point. */
  from: string;
  to: string;
  /** Numbers of its runs. */
  runs: number[];
}

/** `index`: what there is. */
export interface Index {
  format: string;
  branches: string[];
  /** Shards of runs, the newest first. */
  runs: string[];
  /** Shards of the newest curves by branch and model. */
  newest: { branch: string; model: string; shard: string }[];
  points: PointShard[];
  /** Shards of points over time by model. */
  series: { model: string; shard: string }[];
  /** Shards of counts of outcomes. */
  outcomes: string[];
  /** The shard that names those of records by run, curve and concurrency; earlier versions wrote none. */
  records?: string | null;
  /** Shards of answers by their paths with the parameters in order. */
  answers: Record<string, string>;
}

export interface Shards {
  /** The content of a shard. */
  get: <T>(name: string) => Promise<T>;
}

/** The version of the shards that this code reads. */
const FORMAT = "imax-pages/1";

/** Shards inside of the document. */
export function embedded(): Shards {
  const text = document.getElementById("shards")?.textContent ?? "{}";
  const all = JSON.parse(text) as Record<string, unknown>;
  return {
    get: <T>(name: string) => (name in all ? Promise.resolve(all[name] as T) : Promise.reject(new Error(`this report lacks its part ${name}`))),
  };
}

/** Shards that are kept while the page is open. */
const MOST_KEPT = 200;

/** Shards in files beside the document. */
export function published(): Shards {
  const kept = new Map<string, Promise<unknown>>();
  const get = <T>(name: string): Promise<T> => {
    const known = kept.get(name);
    if (known) return known as Promise<T>;
    const request = fetchShard<T>(name);
    kept.set(name, request);
    request.catch(() => kept.delete(name));
    if (kept.size > MOST_KEPT) kept.delete(kept.keys().next().value ?? "");
    return request;
  };
  return { get };
}

async function fetchShard<T>(name: string): Promise<T> {
  // Relative to the document, so that a site works below any path.
  const response = await fetch(`data/${name}.json`);
  if (!response.ok) throw new Error(`data/${name}.json of this site answered ${response.status}; it was published incompletely, or moved since this page was opened`);
  return (await response.json()) as T;
}

export async function indexOf(shards: Shards): Promise<Index> {
  const index = await shards.get<Index>("index");
  if (index.format !== FORMAT) throw new Error(`the data are of format ${index.format}, these pages read ${FORMAT}; publish again, and load the page anew`);
  return index;
}

/** The rows of a table as objects. */
export function rowsOf(table: Table): Record<string, unknown>[] {
  const columns = Object.entries(table.columns);
  return Array.from({ length: table.rows }, (_, at) => Object.fromEntries(columns.map(([name, column]) => [name, "all" in column ? column.all : column.each[at]])));
}
