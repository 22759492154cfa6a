/** Runs that are not official: those of pull requests and those started by hand, each to be laid over the official ones. */
import { onSameData, useAddress } from "../address";
import { query as queryOf, readPages, useLoaded } from "../api";
import { DataTable } from "../DataTable";
import { count, day, shortCommit } from "../format";
import { Ready } from "../parts";
import type { RunRow } from "./Compare";

/** Runs that say nothing about a branch: those of pull requests, and those started by hand on another branch. */
export function isUnofficial(run: { kind: string; branch: string | null }, branch: string | null): boolean {
  return run.kind === "pull-request" || (run.kind === "manual" && run.branch !== (branch ?? "main"));
}

/** Pages of runs that are searched, and runs of a page. */
const MOST_PAGES = 2;
const PAGE = 1000;

export function PullRequests() {
  const { query } = useAddress();
  const path = `/api/v1/runs${queryOf([["as_of", query.get("as_of")], ["limit", String(PAGE)]])}`;
  const loaded = useLoaded(`${path} ${query.get("branch")}`, async () => {
    const { rows, isCut } = await readPages<RunRow>(path, MOST_PAGES);
    return { runs: rows.filter((run) => isUnofficial(run, query.get("branch"))), isCut };
  });
  const base = `branch:${query.get("branch") ?? "main"}`;
  return (
    <div class="content alone">
      <h1>Pull requests</h1>
      <p class="unofficial">
        <strong>NOT OFFICIAL</strong> Runs of pull requests, and runs started by hand on other branches. They are in no baseline, no level and no frontier of a branch.
      </p>
      <Ready of={loaded}>
        {({ runs, isCut }) => (
          <>
            {isCut && <p class="warning">Only the newest {count(MOST_PAGES * PAGE, "run")} were searched; the API has all.</p>}
            {runs.length === 0 ? (
              <p class="empty">The history has no run of a pull request.</p>
            ) : (
              <DataTable
                name="Runs that are not official"
                rows={runs}
                order="-started"
                columns={[
                  { key: "id", title: "Run", isNumber: true, value: (run) => run.id, show: (run) => (run.url ? <a href={run.url} target="_blank" rel="noreferrer">{run.id}</a> : run.id) },
                  { key: "started", title: "Date", value: (run) => run.started, show: (run) => day(run.started) },
                  { key: "kind", title: "Kind", value: (run) => run.kind, show: (run) => <strong class="worse-text">{run.kind}</strong> },
                  { key: "pull", title: "Pull request", isNumber: true, value: (run) => run.pull_request ?? null },
                  { key: "branch", title: "Branch", value: (run) => run.branch },
                  { key: "commit", title: "Commit", value: (run) => run.commit, show: (run) => <code>{shortCommit(run.commit)}</code> },
                  { key: "measured", title: "Measured", isNumber: true, value: (run) => run.measured, show: (run) => `${run.measured} of ${run.points}` },
                  { key: "over", title: "Over the official ones", value: (run) => run.id, show: (run) => <a href={onSameData("/performance", [["model", query.get("model")], ["unofficial", String(run.id)]])}>chart</a> },
                  { key: "compare", title: "Against the branch", value: (run) => run.id, show: (run) => <a href={onSameData("/compare", [["base", base], ["head", `run:${run.id}`]])}>compare with {base}</a> },
                ]}
              />
            )}
          </>
        )}
      </Ready>
    </div>
  );
}
