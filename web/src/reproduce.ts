/** The command that measures a point again, from what the history keeps of it. */
import type { Point } from "./api";

/** `tp4`, `tp8-ep8-dpa`: the layout's parts that a row of one node has. */
function parallelism(layout: string): Record<string, number | boolean> | null {
  const row: Record<string, number | boolean> = { tp: 1, ep: 1, "dp-attn": false };
  for (const part of layout.split(/[-_ ]/)) {
    const [, name, size] = /^(tp|ep|dpa)(\d*)$/.exec(part) ?? [];
    if (name === undefined) return null;
    if (name === "dpa") row["dp-attn"] = true;
    else row[name] = Number(size);
  }
  return row;
}

/** A command for a shell, and what it lacks. */
export function commandOf(point: Point): { command: string; gaps: string[] } {
  const parts = point.disagg ? null : parallelism(point.layout ?? "");
  const row = {
    image: point.image,
    model: point.model,
    "model-prefix": point.model_prefix,
    precision: point.precision,
    framework: point.framework,
    runner: point.hardware,
    isl: point.isl,
    osl: point.osl,
    ...(parts ?? {}),
    "spec-decoding": point.spec_decoding,
    disagg: point.disagg,
    conc: point.conc,
    "max-model-len": (point.isl ?? 0) + (point.osl ?? 0) + 256,
  };
  const known = Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null && value !== undefined));
  const json = JSON.stringify({ ...known, "exp-name": `${point.model_prefix}_${point.isl}_${point.osl}` });
  const gaps = ["max-model-len (a usual value is given)"];
  if (parts === null) gaps.unshift(`the parts of the layout ${point.layout}`);
  return { command: `git checkout ${quoted(point.commit ?? "HEAD")}\nimax run --row ${quoted(json)}`, gaps };
}

/** Single quotes keep everything but themselves from a POSIX shell. */
function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
