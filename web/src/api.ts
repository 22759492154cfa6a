/** Answers to paths of the results API, from whatever source the document has. They are kept while the page is open; a server's ETag keeps them after that. */
import { useEffect, useState } from "preact/hooks";
import type { paths } from "./api_types";
import { SOURCE } from "./source/source";

type Body<P extends keyof paths> = paths[P] extends {
  get: { responses: { 200: { content: { "application/json": infer B } } } };
}
  ? B
  : never;

/** A point with all its columns, as `/api/v1/points` has them. */
export type Point = Body<"/api/v1/points">["data"][number];

export interface Page<T> {
  data: T[];
  next: string | null;
}

/** What a request came to. */
export type Loaded<T> = { state: "loading"; before?: T } | { state: "failed"; message: string } | { state: "ready"; value: T };

const kept = new Map<string, Promise<unknown>>();
const MOST_KEPT = 60;

/** The JSON at a path. A problem is thrown with words for the reader. A fresh one is asked for again, after something was written. */
export function read<T>(path: string, isFresh = false): Promise<T> {
  const known = kept.get(path);
  if (known && !isFresh) return known as Promise<T>;
  const request = SOURCE.read<T>(path);
  kept.set(path, request);
  request.catch(() => kept.delete(path));
  if (kept.size > MOST_KEPT) {
    const oldest = kept.keys().next();
    if (!oldest.done) kept.delete(oldest.value);
  }
  return request;
}

/** The most pages of one list: a page of the dashboards shows no more. */
const MOST_PAGES = 20;

/** All pages of a list, and whether there are more. */
export async function readPages<T>(path: string, mostPages = MOST_PAGES): Promise<{ rows: T[]; isCut: boolean }> {
  const rows: T[] = [];
  let cursor: string | null = null;
  for (let page = 0; page < mostPages; page += 1) {
    const separator = path.includes("?") ? "&" : "?";
    const answer: Page<T> = await read<Page<T>>(cursor === null ? path : `${path}${separator}cursor=${encodeURIComponent(cursor)}`);
    for (const row of answer.data) rows.push(row);
    cursor = answer.next;
    if (cursor === null) return { rows, isCut: false };
  }
  return { rows, isCut: true };
}

/** Loads again when `key` changes; until then the value before stays, so that a page does not flicker. `null` loads nothing. */
export function useLoaded<T>(key: string | null, load: () => Promise<T>): Loaded<T> {
  const [loaded, update] = useState<Loaded<T>>({ state: "loading" });
  useEffect(() => {
    if (key === null) return undefined;
    let isWanted = true;
    update((before) => (before.state === "ready" ? { state: "loading", before: before.value } : before.state === "failed" ? { state: "loading" } : before));
    load().then(
      (value) => isWanted && update({ state: "ready", value }),
      (error: unknown) => isWanted && update({ state: "failed", message: error instanceof Error ? error.message : String(error) }),
    );
    return () => {
      isWanted = false;
    };
  }, [key]);
  return loaded;
}

/** The value, also while a newer one is loaded. */
export function valueOf<T>(loaded: Loaded<T>): T | undefined {
  return loaded.state === "ready" ? loaded.value : loaded.state === "loading" ? loaded.before : undefined;
}

/** A name in a filter: its wildcards match one character each, such as themselves. */
export function literal(name: string): string {
  return name.replaceAll(/[*?[\]{}\\]/g, "?");
}

/** A query from pairs; empty values are left out. */
export function query(pairs: Iterable<readonly [string, string | null | undefined]>): string {
  const text = new URLSearchParams();
  for (const [name, value] of pairs) if (value) text.append(name, value);
  const all = text.toString();
  return all === "" ? "" : `?${all}`;
}
