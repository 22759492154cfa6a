/** The results API of the page's own origin. */
import { authorization, refused } from "./token";

/** An error response of the server, with its `detail`. */
export class Problem extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Throws a `Problem` where the server does not succeed. */
export async function fetchJson<T>(path: string): Promise<T> {
  const response = await fetch(path, { headers: { accept: "application/json", ...authorization() } });
  if (response.ok) return (await response.json()) as T;
  throw await problemOf(response, path);
}

/** Writes a document; the answer is the server's. */
export async function postJson<T>(path: string, document: unknown): Promise<T> {
  const headers = { accept: "application/json", "content-type": "application/json", ...authorization() };
  const response = await fetch(path, { method: "POST", headers, body: JSON.stringify(document) });
  if (response.ok) return (await response.json()) as T;
  throw await problemOf(response, path);
}

/** A file of the API. */
export async function fetchFile(path: string): Promise<Blob> {
  const response = await fetch(path, { headers: authorization() });
  if (response.ok) return response.blob();
  throw await problemOf(response, path);
}

async function problemOf(response: Response, path: string): Promise<Problem> {
  if (response.status === 401) refused();
  const problem = (await response.json().catch(() => null)) as { detail?: string } | null;
  return new Problem(response.status, problem?.detail ?? `the server answered ${response.status} to ${path}`);
}
