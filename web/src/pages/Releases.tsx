/** Two releases compared as cards, or the two newest runs of a history without releases. */
import { onSameData, useAddress } from "../address";
import { type Page, query as queryOf, read, useLoaded, valueOf } from "../api";
import { day, shortCommit } from "../format";
import { Failure, type Option, Ready, Select } from "../parts";
import { IS_SERVED } from "../source/source";
import type { Comparison, RunRow } from "./Compare";
import { SummaryView } from "./Summary";

/** Runs among which releases are looked for. */
const MOST_RUNS = 1000;
/** Runs that are offered where there are no releases. */
const OFFERED = 20;

/** Releases of a branch by their commits, one each; without two of them its official runs. */
function setsOf(runs: readonly RunRow[], branch: string): Option[] {
  const official = runs.filter((run) => run.kind !== "pull-request" && (run.branch ?? "main") === branch);
  const releases = new Map<string, RunRow>();
  for (const run of official) if (run.kind === "release" && !releases.has(run.commit)) releases.set(run.commit, run);
  // A site has comparisons of a run with the one before it, and none of releases.
  if (IS_SERVED && releases.size >= 2) return [...releases.values()].map((run) => ({ value: `release:${run.commit}`, title: `release ${shortCommit(run.commit)}, ${day(run.started)}` }));
  return official.slice(0, OFFERED).map((run) => ({ value: `run:${run.id}`, title: `run ${run.id}, ${day(run.started)}, ${shortCommit(run.commit)}` }));
}

export function Releases({ common }: { common: readonly [string, string | null][] }) {
  const { query } = useAddress();
  const runsPath = `/api/v1/runs${queryOf([["as_of", query.get("as_of")], ["limit", String(MOST_RUNS)]])}`;
  const runs = useLoaded(runsPath, async () => (await read<Page<RunRow>>(runsPath)).data);
  const sets = setsOf(valueOf(runs) ?? [], query.get("branch") ?? "main");
  const [newest, before] = sets;
  const [base, head] = [query.get("base") ?? before?.value ?? "", query.get("head") ?? newest?.value ?? ""];
  const path = `/api/v1/compare${queryOf([["base", base], ["head", head], ...common])}`;
  const loaded = useLoaded(base && head ? path : null, () => read<Comparison>(path));
  if (runs.state === "failed") return <Failure of={runs} what="The runs" />;
  if (!newest || !before) return null;
  const isOfReleases = newest.value.startsWith("release:");
  return (
    <>
      <h2>{isOfReleases ? "Two releases compared" : "The newest run compared"}</h2>
      <div class="controls">
        <Select label="Base" name="base" options={sets} fallback={before.value} />
        <Select label="Head" name="head" options={sets} fallback={newest.value} />
        <a href={onSameData("/compare", [["base", base], ["head", head], ["model", query.get("model")]])}>All pairs</a>
      </div>
      <Ready of={loaded}>{(comparison) => (comparison.summary ? <SummaryView summary={comparison.summary} /> : <p class="muted">This source has no summary of comparisons.</p>)}</Ready>
    </>
  );
}
