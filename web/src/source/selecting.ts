/** Which rows the parameters of a path select, as `SelectionParams` of the server does. */
import { tokens } from "../format";

export type Row = Record<string, unknown>;

export function present(value: unknown): boolean {
  return value !== null && value !== undefined;
}

/** The value of a row in each key that filters know. */
const KEYS: Record<string, (row: Row) => unknown> = {
  model: (row) => row["model_prefix"] ?? row["model"],
  hardware: (row) => row["hardware"],
  framework: (row) => row["framework"],
  precision: (row) => row["precision"],
  sequence: (row) => row["sequence"] ?? (typeof row["isl"] === "number" ? `${tokens(row["isl"])}${tokens(Number(row["osl"]))}` : row["scenario"]),
  layout: (row) => row["layout"],
  conc: (row) => row["conc"],
};

/** Parameters that must equal a column. */
const EQUAL = ["project", "branch", "kind", "commit", "image", "outcome"];

export class Selection {
  readonly run: number | null;
  private readonly filters = new Map<string, RegExp[]>();
  private readonly equal: [string, string][];
  private readonly since: number | null;
  private readonly until: number | null;

  constructor(query: URLSearchParams) {
    const time = (name: string) => (query.get(name) ? Date.parse(query.get(name) ?? "") : null);
    this.run = query.get("run") ? Number(query.get("run")) : null;
    this.equal = EQUAL.flatMap((name): [string, string][] => (query.get(name) ? [[name, query.get(name) ?? ""]] : []));
    [this.since, this.until] = [time("since"), time("until")];
    for (const text of query.getAll("filter")) {
      const at = text.indexOf("=");
      const key = text.slice(0, at);
      if (!(key in KEYS)) throw new Error(`invalid filter ${text}; expected KEY=GLOB with KEY one of ${Object.keys(KEYS).join(", ")}`);
      this.filters.set(key, [...(this.filters.get(key) ?? []), glob(text.slice(at + 1))]);
    }
  }

  /** The keys that are filtered by. */
  keys(): string[] {
    return [...this.filters.keys()];
  }

  has(row: Row, except: readonly string[] = []): boolean {
    return (
      (this.run === null || row["run"] === this.run || (row["run"] === undefined && row["id"] === this.run)) &&
      this.equal.every(([name, value]) => except.includes(name) || String(row[name] ?? "") === value) &&
      this.hasTime(String(row["started"] ?? ""), String(row["started"] ?? "")) &&
      this.hasRow(row)
    );
  }

  /** Filters alone. A row that lacks a key altogether, such as a run, is not filtered by it. */
  hasRow(row: Row): boolean {
    return [...this.filters].every(([key, globs]) => {
      const value = KEYS[key]?.(row);
      return value === undefined || globs.some((pattern) => pattern.test(String(value)));
    });
  }

  /** Whether a period has times that are selected. */
  hasTime(from: string, to: string): boolean {
    return (this.since === null || Date.parse(to) >= this.since) && (this.until === null || Date.parse(from) < this.until);
  }

  hasModel(model: string): boolean {
    return this.filters.get("model")?.some((pattern) => pattern.test(model)) ?? true;
  }

  /** A key as series, changes and frontiers have it. */
  hasKey(key: unknown): boolean {
    const { curve, conc } = key as { curve: Row; conc?: number };
    const lengths = (curve["workload"] as { "fixed-seq-len"?: { isl: number; osl: number } } | undefined)?.["fixed-seq-len"];
    return this.hasRow({ model_prefix: curve["model-prefix"], hardware: curve["runner"], framework: curve["framework"], precision: curve["precision"], layout: curve["layout"], ...lengths, ...(conc === undefined ? {} : { conc }) });
  }
}

/** Globs with `*`, `?` and `[…]`, which are those that pages and people write. */
function glob(text: string): RegExp {
  const pattern = text.replaceAll(/[.+^${}()|\\]/g, "\\$&").replaceAll("*", ".*").replaceAll("?", ".").replaceAll("[!", "[^");
  return new RegExp(`^${pattern}$`, "s");
}
