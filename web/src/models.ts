/** The models of a history, those with the most points first. */
import { type Page, query, read } from "./api";

export interface FacetRow {
  dimension: string;
  value: string;
  points: number;
}

export async function models(address: URLSearchParams): Promise<{ value: string; count: number }[]> {
  const path = `/api/v1/facets${query([
    ["branch", address.get("branch")],
    ["as_of", address.get("as_of")],
  ])}`;
  const rows = (await read<Page<FacetRow>>(path)).data.filter((row) => row.dimension === "model");
  return rows.map((row) => ({ value: row.value, count: row.points })).sort((one, other) => other.count - one.count);
}
