/** Points as deployments of engines, as `/api/v1/deployments` has them: what the pages of RHAIIS, LLM-D show. */
import { type Page, type Point, query, read } from "./api";
import type { Dimension } from "./dimensions";
import { DIMENSIONS, FRAMEWORK, HARDWARE, MODEL, PRECISION } from "./dimensions";

export type Family = "rhaiis" | "llm-d" | "other";

export type Deployed = Point & {
  family: Family;
  version: string;
  /** Lengths, as comparisons name them. */
  sequence: string;
  tp: number | null;
  dp: number | null;
  ep: number | null;
  replicas: number;
  prefill_pods: number | null;
  prefill_tp: number | null;
  prefill_gpus: number | null;
  decode_pods: number | null;
  decode_tp: number | null;
  decode_gpus: number | null;
  prefill_per_decode_gpu: number | null;
  router: string | null;
  error_rate: number | null;
  runtime_args: string | null;
  output_tput_per_any_gpu: number | null;
};

/** The path of all deployments of the address's branch and state. */
export function deploymentsPath(address: URLSearchParams): string {
  return `/api/v1/deployments${query([
    ["branch", address.get("branch")],
    ["as_of", address.get("as_of")],
  ])}`;
}

export async function deployments(path: string): Promise<Deployed[]> {
  return (await read<Page<Deployed>>(path)).data;
}

/** Lengths that the tables of RHAIIS give a name. */
const PROFILES: Record<string, string> = {
  "1000/1000": "A, balanced 1000/1000",
  "512/2048": "B, long output 512/2048",
  "2048/128": "C, long prompt 2048/128",
  "8000/1000": "D, RAG 8000/1000",
  "100000/1000": "E, long context 100000/1000",
};

/** The lengths that a deployment was measured with; several turns are another profile of the same lengths. */
export function profile(point: Point): string {
  const lengths = typeof point.isl === "number" ? `${point.isl}/${point.osl}` : (point.scenario ?? "–");
  const turns = /(?:^| )turns=(\S+)/.exec(point.variant ?? "")?.[1];
  return `${PROFILES[lengths] ?? lengths}${turns ? `, ${turns} turns` : ""}`;
}

function of(name: keyof Deployed): (point: Point) => string {
  return (point) => {
    const value = (point as Deployed)[name];
    return value === null || value === undefined || value === "" ? "–" : String(value);
  };
}

export const VERSION: Dimension = { key: "version", title: "Version", of: of("version") };
export const PROFILE: Dimension = { key: "profile", title: "Profile (ISL/OSL)", of: profile };
export const TP: Dimension = { key: "tp", title: "TP", of: of("tp") };
export const LAYOUT = DIMENSIONS.find(({ key }) => key === "layout") ?? { key: "layout", title: "Layout", of: of("layout") };
export const VARIANT: Dimension = { key: "variant", title: "Data set, turns, prefixes", of: of("variant") };

export const ALONE_DIMENSIONS: Dimension[] = [
  HARDWARE,
  PROFILE,
  VERSION,
  MODEL,
  TP,
  { key: "dp", title: "DP", of: of("dp") },
  FRAMEWORK,
  PRECISION,
  { key: "spec", title: "Speculative decoding", of: of("spec_decoding") },
  VARIANT,
];

/** What must be equal for numbers of one line. */
export const CONFIGURATION: Dimension[] = [VERSION, HARDWARE, MODEL, PROFILE, FRAMEWORK, PRECISION, VARIANT];

export const ROUTED_DIMENSIONS: Dimension[] = [
  HARDWARE,
  PROFILE,
  MODEL,
  VERSION,
  { key: "prefill", title: "Prefill pods", of: of("prefill_pods") },
  { key: "decode", title: "Decode pods", of: of("decode_pods") },
  { key: "replicas", title: "Replicas", of: of("replicas") },
  { key: "router", title: "Router", of: of("router") },
  TP,
  { key: "ep", title: "EP", of: of("ep") },
  LAYOUT,
  PRECISION,
];

/** A number of a deployment that is not a column of points. */
export interface Measure {
  key: string;
  title: string;
  unit: string;
  formula: string;
  better?: "higher" | "lower";
  of: (point: Deployed) => number | null;
}

export const ERROR_RATE: Measure = {
  key: "error_rate",
  title: "Error rate",
  unit: "%",
  formula: "failed requests / (successful + failed)",
  better: "lower",
  of: ({ error_rate: rate }) => (rate === null ? null : rate * 100),
};

export const OUTPUT_PER_GPU: Measure = {
  key: "output_tput_per_any_gpu",
  title: "Output throughput per GPU",
  unit: "tok/s/GPU",
  formula: "output tokens / duration / all GPUs of the deployment (TP, DP, replicas and both roles counted)",
  better: "higher",
  of: (point) => point.output_tput_per_any_gpu,
};

/** `key: value; key: value` of a table, or flags of a command line, as pairs. */
export function argumentsOf(text: string | null): [string, string][] {
  if (text === null || text.trim() === "") return [];
  if (/^\s*--/.test(text)) {
    return text
      .split(/\s+(?=--)/)
      .map((flag) => flag.trim().replace(/^--/, ""))
      .map((flag) => {
        const [, name = flag, value = ""] = /^([^\s=]+)[\s=]*([\s\S]*)$/.exec(flag) ?? [];
        return [name, value === "" ? "on" : value];
      });
  }
  return text
    .split(";")
    .filter((part) => part.trim() !== "")
    .map((part) => {
      const at = part.indexOf(":");
      return at < 0 ? [part.trim(), "on"] : [part.slice(0, at).trim(), part.slice(at + 1).trim()];
    });
}
