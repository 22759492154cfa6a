/**
 * Where the pages' data come from. The same pages show the answers of a server, those in a published site's files, and those inside of a
 * report's own document; they ask all three by the paths of the results API.
 */
import { answer } from "./answers";
import { fetchJson } from "./server";
import { embedded, published } from "./shards";

export type SourceKind = "server" | "site" | "report";

export interface Source {
  kind: SourceKind;
  /** The JSON at a path of the API. */
  read: <T>(path: string) => Promise<T>;
}

interface Description {
  kind: SourceKind;
  /** When a site was made, RFC 3339. */
  made?: string;
  /** The sets that a report compares, as `/api/v1/compare` names them. */
  compared?: { base: string; head: string };
}

/** What the document says about its data; a server's pages say nothing. */
function describe(): Description {
  const text = document.getElementById("source")?.textContent;
  return text ? (JSON.parse(text) as Description) : { kind: "server" };
}

export const DESCRIPTION = describe();

function sourceOf({ kind }: Description): Source {
  if (kind === "server") return { kind, read: fetchJson };
  const shards = kind === "report" ? embedded() : published();
  return { kind, read: <T>(path: string) => answer(shards, path) as Promise<T> };
}

export const SOURCE: Source = sourceOf(DESCRIPTION);

/** Whether the pages are a server's, which knows every state and set, takes writes and gives files. */
export const IS_SERVED = DESCRIPTION.kind === "server";

/** Whether addresses of pages are behind `#`, because no server answers to their paths. */
export const HAS_HASH_ADDRESSES = !IS_SERVED;
