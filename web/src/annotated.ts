/** Annotations with the points that a chart of newest curves shows. */
import { type Page, type Point, query as queryOf, read } from "./api";
import type { Annotation } from "./pages/Inbox";
import { SOURCE } from "./source/source";

export interface Annotated extends Annotation {
  points: { run: number; curve: string; conc: number }[];
}

/** Kinds that readers of a number must see beside it; others stand below the chart. */
const MARKED = new Set(["known-issue", "environment", "invalid"]);

export async function annotated(model: string, address: URLSearchParams): Promise<Annotated[]> {
  // A report has one run, whose annotations its history has.
  if (SOURCE.kind === "report") return [];
  const path = `/api/v1/annotated${queryOf([["filter", `model=${model}`], ["branch", address.get("branch")], ["as_of", address.get("as_of")]])}`;
  return (await read<Page<Annotated>>(path)).data;
}

function isAbout(note: Annotated, point: Point): boolean {
  return note.points.some(({ run, curve, conc }) => run === point.run && conc === point.conc && curve === point.curve);
}

/** Whether an annotation is about some of the points. */
export function isCovered(note: Annotated, points: readonly Point[]): boolean {
  return points.some((point) => isAbout(note, point));
}

/** What a mark says of a point's annotations. */
export function warningOf(point: Point, notes: readonly Annotated[]): string | undefined {
  const about = notes.filter((note) => MARKED.has(note.kind) && isAbout(note, point));
  return about.length === 0 ? undefined : about.map((note) => `${note.kind}: ${note.text}`).join("; ");
}
