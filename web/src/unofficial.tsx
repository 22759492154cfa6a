/** Points of runs that are not official, for charts of those that are. */
import { set, useAddress } from "./address";
import { type Page, type Point, query as queryOf, read, useLoaded, valueOf } from "./api";
import { count, day } from "./format";
import { DESCRIBING, type Newest } from "./newest";
import { Failure } from "./parts";
import type { RunRow } from "./pages/Compare";
import { isUnofficial } from "./pages/PullRequests";

/** Runs that can be laid over at once. */
export const MOST_OVERLAID = 4;
/** Points of a run that are laid over. */
export const MOST_OVERLAID_POINTS = 5000;
/** Runs among which those that are not official are looked for. */
const MOST_RUNS = 200;

export async function unofficialPoints(runs: readonly string[], model: string, columns: readonly string[], address: URLSearchParams): Promise<Newest> {
  const fields = [...new Set([...DESCRIBING, ...columns])].join(",");
  const path = (run: string) => `/api/v1/points${queryOf([["run", run], ["filter", `model=${model}`], ["outcome", "measured"], ["as_of", address.get("as_of")], ["fields", fields], ["limit", String(MOST_OVERLAID_POINTS)]])}`;
  const pages = await Promise.all(runs.map((run) => read<Page<Point>>(path(run))));
  return { points: pages.flatMap((page) => page.data), isCut: pages.some(({ next }) => next !== null) };
}

/** The runs that can be laid over the official ones. */
export function UnofficialChoice({ chosen }: { chosen: readonly string[] }) {
  const { query } = useAddress();
  const branch = query.get("branch");
  const path = `/api/v1/runs${queryOf([["as_of", query.get("as_of")], ["limit", String(MOST_RUNS)]])}`;
  const loaded = useLoaded(`${path} ${branch}`, async () => {
    const { data, next } = await read<Page<RunRow>>(path);
    return { runs: data.filter((run) => isUnofficial(run, branch)), isCut: next !== null };
  });
  const runs = (valueOf(loaded)?.runs ?? []).filter((run) => !chosen.includes(String(run.id)));
  if (loaded.state === "failed") return <Failure of={loaded} what="The runs that are not official" />;
  if (runs.length === 0 && chosen.length === 0) return null;
  const isFull = chosen.length >= MOST_OVERLAID;
  return (
    <>
      <label class="field">
        <span>Lay over (not official)</span>
        <select value="" disabled={isFull} onChange={(event) => set({ unofficial: [...chosen, event.currentTarget.value].filter((id) => id !== "") })}>
          <option value="">{isFull ? `at most ${count(MOST_OVERLAID, "run")}` : "none"}</option>
          {runs.map((run) => (
            <option key={run.id} value={String(run.id)}>
              {`run ${run.id}, ${run.pull_request ? `pull request ${run.pull_request}` : run.kind}, ${day(run.started)}, ${run.branch ?? ""}`}
            </option>
          ))}
        </select>
      </label>
      {valueOf(loaded)?.isCut && <span class="muted">of the newest {count(MOST_RUNS, "run")}</span>}
      {chosen.map((id) => (
        <button type="button" key={id} aria-label={`Take run ${id} away`} onClick={() => set({ unofficial: chosen.filter((other) => other !== id) })}>
          run {id} ×
        </button>
      ))}
    </>
  );
}
