/** Two releases compared as cards, or the two newest runs of a history without releases. */
import { useAddress } from "../address";
import { query as queryOf, read, useLoaded } from "../api";
import { day, shortCommit } from "../format";
import { type Option, Ready, Select } from "../parts";
import type { Comparison, RunRow } from "./Compare";
import { SummaryView } from "./Summary";

/** Releases by their commits, one each; without two of them runs that are official. */
function setsOf(runs: readonly RunRow[]): Option[] {
  const official = runs.filter(({ kind }) => kind !== "pull-request");
  const releases = new Map<string, RunRow>();
  for (const run of official) if (run.kind === "release" && !releases.has(run.commit)) releases.set(run.commit, run);
  if (releases.size >= 2) return [...releases.values()].map((run) => ({ value: `release:${run.commit}`, title: `release ${shortCommit(run.commit)}, ${day(run.started)}` }));
  return official.map((run) => ({ value: `run:${run.id}`, title: `run ${run.id}, ${day(run.started)}, ${shortCommit(run.commit)}` }));
}

export function Releases({ runs, common }: { runs: readonly RunRow[]; common: readonly [string, string | null][] }) {
  const { query } = useAddress();
  const sets = setsOf(runs);
  const [newest, before] = sets;
  const [base, head] = [query.get("base") ?? before?.value ?? "", query.get("head") ?? newest?.value ?? ""];
  const path = `/api/v1/compare${queryOf([["base", base], ["head", head], ...common])}`;
  const loaded = useLoaded(base && head ? path : null, () => read<Comparison>(path));
  if (!newest || !before) return null;
  const isOfReleases = newest.value.startsWith("release:");
  return (
    <>
      <h2>{isOfReleases ? "Two releases compared" : "The newest run compared"}</h2>
      <div class="controls">
        <Select label="Base" name="base" options={sets} fallback={before.value} />
        <Select label="Head" name="head" options={sets} fallback={newest.value} />
        <a href={`/compare${queryOf([["base", base], ["head", head], ["branch", query.get("branch")], ["model", query.get("model")]])}`}>All pairs</a>
      </div>
      <Ready of={loaded}>{(comparison) => (comparison.summary ? <SummaryView summary={comparison.summary} /> : <p class="muted">This source has no summary of comparisons.</p>)}</Ready>
    </>
  );
}
