/** The results API of the page's own origin. */

/** A problem of the server is thrown as its `detail`. */
export async function fetchJson<T>(path: string): Promise<T> {
  const response = await fetch(path, { headers: { accept: "application/json" } });
  if (response.ok) return (await response.json()) as T;
  const problem = (await response.json().catch(() => null)) as { detail?: string } | null;
  throw new Error(problem?.detail ?? `the server answered ${response.status} to ${path}`);
}
