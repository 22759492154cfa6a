/** Facets: which points are shown, from the address, and how many each further choice would leave. */
import type { Point } from "./api";
import type { Dimension } from "./dimensions";

/** Chosen values by dimension; a dimension without any is not restricted. */
export type Choice = Map<string, Set<string>>;

export function choiceOf(query: URLSearchParams, dimensions: readonly Dimension[]): Choice {
  const choice: Choice = new Map();
  for (const { key } of dimensions) {
    const values = query.getAll(key).filter((value) => value !== "");
    if (values.length > 0) choice.set(key, new Set(values));
  }
  return choice;
}

/** A text that is equal for equal choices: what is computed from one is kept while the rest of the address changes. */
export function textOf(choice: Choice): string {
  return JSON.stringify([...choice].map(([key, values]) => [key, [...values]]));
}

function isChosen(point: Point, choice: Choice, dimensions: readonly Dimension[], except?: string): boolean {
  return dimensions.every(({ key, of }) => key === except || (choice.get(key)?.has(of(point)) ?? true));
}

export function select(points: readonly Point[], choice: Choice, dimensions: readonly Dimension[]): Point[] {
  return points.filter((point) => isChosen(point, choice, dimensions));
}

export interface FacetValue {
  value: string;
  /** Points with this value that the other dimensions leave. */
  count: number;
  /** Whether any point has it, as not every value of an address is one of the data. */
  isKnown: boolean;
}

/** The values of a dimension among all points, those with the most points first. */
export function facet(points: readonly Point[], choice: Choice, dimensions: readonly Dimension[], dimension: Dimension): FacetValue[] {
  const counts = new Map<string, number>();
  const known = new Set(points.map(dimension.of));
  for (const value of choice.get(dimension.key) ?? []) counts.set(value, 0);
  for (const point of points) {
    const value = dimension.of(point);
    counts.set(value, (counts.get(value) ?? 0) + Number(isChosen(point, choice, dimensions, dimension.key)));
  }
  const values = [...counts].map(([value, count]) => ({ value, count, isKnown: known.has(value) }));
  return values.sort((one, other) => other.count - one.count || one.value.localeCompare(other.value, "en", { numeric: true }));
}
