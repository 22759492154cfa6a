/** Points of runs that are not official, for charts of those that are. */
import { set, useAddress } from "./address";
import { type Page, type Point, query as queryOf, read, useLoaded, valueOf } from "./api";
import { day } from "./format";
import type { RunRow } from "./pages/Compare";
import { isUnofficial } from "./pages/PullRequests";

const DESCRIBING = "id,run,started,commit,curve,model_prefix,precision,hardware,framework,spec_decoding,disagg,scenario,isl,osl,layout,gpus,conc,image,outcome";

export async function unofficialPoints(runs: readonly string[], model: string, columns: readonly string[], address: URLSearchParams): Promise<Point[]> {
  const fields = [...new Set([...DESCRIBING.split(","), ...columns])].join(",");
  const path = (run: string) => `/api/v1/points${queryOf([["run", run], ["filter", `model=${model}`], ["outcome", "measured"], ["as_of", address.get("as_of")], ["fields", fields], ["limit", "5000"]])}`;
  const pages = await Promise.all(runs.map((run) => read<Page<Point>>(path(run))));
  return pages.flatMap((page) => page.data);
}

/** The runs that can be laid over the official ones. */
export function UnofficialChoice({ chosen }: { chosen: readonly string[] }) {
  const branch = useAddress().query.get("branch");
  const loaded = useLoaded(`unofficial runs ${branch}`, async () => (await read<Page<RunRow>>("/api/v1/runs?limit=200")).data.filter((run) => isUnofficial(run, branch)));
  const runs = (valueOf(loaded) ?? []).filter((run) => !chosen.includes(String(run.id)));
  if (runs.length === 0 && chosen.length === 0) return null;
  return (
    <>
      <label class="field">
        <span>Lay over (not official)</span>
        <select value="" onChange={(event) => set({ unofficial: [...chosen, event.currentTarget.value].filter((id) => id !== "") })}>
          <option value="">none</option>
          {runs.map((run) => (
            <option key={run.id} value={String(run.id)}>
              {`run ${run.id}, ${run.pull_request ? `pull request ${run.pull_request}` : run.kind}, ${day(run.started)}, ${run.branch ?? ""}`}
            </option>
          ))}
        </select>
      </label>
      {chosen.map((id) => (
        <button type="button" key={id} aria-label={`Take run ${id} away`} onClick={() => set({ unofficial: chosen.filter((other) => other !== id) })}>
          run {id} ×
        </button>
      ))}
    </>
  );
}
