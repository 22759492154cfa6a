/** What succeeded and what failed, by hardware and engine; jobs, queues and machines. */
import { useAddress } from "../address";
import { type Page, type Point, query as queryOf, read, useLoaded } from "../api";
import { DataTable } from "../DataTable";
import { nameOf, pageOf } from "../dimensions";
import { age, minute } from "../format";
import { Card, Ready, Select } from "../parts";
import { IS_SERVED } from "../source/source";
import { OperationsView } from "./Operations";

export interface ReliabilityRow {
  hardware: string;
  framework: string;
  points: number;
  measured: number;
  failed: number;
  outcomes: Record<string, number>;
  newest_measured: string | null;
  newest_failed: string | null;
}

const PERIODS = [
  { value: "", title: "always" },
  { value: "7", title: "7 days" },
  { value: "30", title: "30 days" },
  { value: "90", title: "90 days" },
];

export function Reliability() {
  const { query } = useAddress();
  const days = Number(query.get("since") ?? "");
  // Whole days, so that the address of the request stays the same for a while.
  const since = days > 0 ? `${new Date(Date.now() - days * 86_400_000).toISOString().slice(0, 10)}T00:00:00Z` : null;
  const common: [string, string | null][] = [["branch", query.get("branch")], ["as_of", query.get("as_of")], ["since", since], ["filter", query.get("model") ? `model=${query.get("model")}` : null]];
  const path = `/api/v1/reliability${queryOf(common)}`;
  const loaded = useLoaded(path, async () => (await read<Page<ReliabilityRow>>(path)).data);
  return (
    <div class="content alone">
      <h1>Reliability</h1>
      <div class="controls">
        <Select label="In the last" name="since" options={PERIODS} fallback="" />
      </div>
      <Ready of={loaded}>
        {(rows) => {
          const classes = [...new Set(rows.flatMap((row) => Object.keys(row.outcomes)))].filter((name) => name !== "measured").sort();
          const [points, failed] = [rows.reduce((sum, row) => sum + row.points, 0), rows.reduce((sum, row) => sum + row.failed, 0)];
          return (
            <>
              <div class="cards">
                <Card title="Points" value={points} />
                <Card title="Success" value={share(points - failed, points)} tone={failed > 0 ? "worse" : "better"} />
                {classes.map((name) => (
                  <Card key={name} title={`Failed: ${name}`} value={rows.reduce((sum, row) => sum + (row.outcomes[name] ?? 0), 0)} />
                ))}
              </div>
              <DataTable
                name="Success by hardware and engine"
                rows={rows}
                order="rate"
                columns={[
                  { key: "hardware", title: "Hardware", value: (row) => row.hardware },
                  { key: "framework", title: "Engine", value: (row) => row.framework },
                  { key: "rate", title: "Success", isNumber: true, value: (row) => row.measured / row.points, show: (row) => <Rate row={row} /> },
                  { key: "points", title: "Points", isNumber: true, value: (row) => row.points },
                  ...classes.map((name) => ({ key: name, title: name, isNumber: true, value: (row: ReliabilityRow) => row.outcomes[name] ?? 0 })),
                  { key: "good", title: "Last good", value: (row) => row.newest_measured, show: (row) => `${age(row.newest_measured)}` },
                  { key: "bad", title: "Last failure", value: (row) => row.newest_failed, show: (row) => minute(row.newest_failed) },
                ]}
              />
              {IS_SERVED && (
                <div data-served>
                  <OperationsView common={common} />
                </div>
              )}
              {classes.length > 0 && <Failures common={common} classes={classes} />}
            </>
          );
        }}
      </Ready>
    </div>
  );
}

function share(part: number, whole: number): string {
  return whole === 0 ? "–" : `${((part / whole) * 100).toFixed(1)} %`;
}

function Rate({ row }: { row: ReliabilityRow }) {
  const width = 80;
  const filled = row.points === 0 ? 0 : (row.measured / row.points) * width;
  return (
    <>
      <svg width={width} height="8" aria-hidden="true">
        <rect width={width} height="8" fill="var(--grid)" />
        <rect width={filled} height="8" fill={row.failed > 0 ? "var(--worse)" : "var(--better)"} />
      </svg>{" "}
      {share(row.measured, row.points)}
    </>
  );
}

/** The newest failed points with their reasons. */
function Failures({ common, classes }: { common: [string, string | null][]; classes: string[] }) {
  const fields = "id,run,started,curve,model_prefix,precision,hardware,framework,spec_decoding,disagg,scenario,isl,osl,layout,conc,outcome,reason";
  const paths = classes.map((name) => `/api/v1/points${queryOf([...common, ["outcome", name], ["fields", fields], ["limit", "100"]])}`);
  const loaded = useLoaded(paths.join(" "), async () => (await Promise.all(paths.map((path) => read<Page<Point>>(path)))).flatMap((page) => page.data));
  return (
    <>
      <h2>Newest failures</h2>
      <Ready of={loaded}>
        {(points) => (
          <DataTable
            name="Newest failures"
            rows={points}
            order="-started"
            orderKey="failures"
            columns={[
              { key: "started", title: "Date", value: (point) => point.started ?? null, show: (point) => minute(point.started) },
              { key: "outcome", title: "Class", value: (point) => point.outcome ?? null },
              { key: "point", title: "Point", value: nameOf, show: (point) => <a href={pageOf(point)}>{nameOf(point)}</a> },
              { key: "reason", title: "Reason", isLong: true, value: (point) => point.reason ?? null },
              { key: "run", title: "Run", isNumber: true, value: (point) => point.run ?? null },
            ]}
          />
        )}
      </Ready>
    </>
  );
}
