/** What is measured on which hardware, how old it is, and what fails since when. */
import { useAddress } from "../address";
import { type Page, type Point, query as queryOf, read, useLoaded } from "../api";
import { DataTable } from "../DataTable";
import { FRAMEWORK, HARDWARE, MODEL } from "../dimensions";
import { age, count, day } from "../format";
import { type Newest, newest } from "../newest";
import { Ready, Select } from "../parts";
import type { ReliabilityRow } from "./Reliability";

interface Cell {
  points: number;
  /** When the newest of them was measured; `null` for what never was. */
  started: string | null;
  /** The first failure since then, and its class. */
  failing?: { since: string; outcome: string };
}

interface Row {
  name: string;
  cells: Map<string, Cell>;
}

const DAY = 86_400_000;
const AGES = [
  { value: "7", title: "7 days" },
  { value: "14", title: "14 days" },
  { value: "30", title: "30 days" },
];
const DEFAULT_AGE = "14";

export function Coverage() {
  const { query } = useAddress();
  const key = JSON.stringify(["coverage", query.get("branch"), query.get("as_of")]);
  const loaded = useLoaded(key, async () => ({ ...(await newest(null, [], query)), failed: await failuresOf(query) }));
  const most = Number(query.get("old") ?? DEFAULT_AGE);
  return (
    <div class="content alone">
      <h1>Coverage</h1>
      <div class="controls">
        <Select label="Old after" name="old" options={AGES} fallback={DEFAULT_AGE} />
      </div>
      <Ready of={loaded}>
        {({ points, isCut, failed }) => {
          const { rows, columns } = tableOf(points, failed.points);
          return (
            <>
              <p class="muted">The age of the newest measured points of each model and engine (and how many there are) by hardware. A dash: neither measured nor tried.</p>
              {isCut && <p class="warning">The history has more curves than are shown.</p>}
              {failed.isCut && <p class="warning">Only the newest {count(MOST_FAILURES, "failed point")} of each class were read: a failure may have begun earlier than the table says.</p>}
              <div class="heat">
                <DataTable
                  name="Coverage"
                  rows={rows}
                  order="name"
                  columns={[
                    { key: "name", title: "Model and engine", value: (row) => row.name },
                    ...columns.map((hardware) => ({
                      key: hardware,
                      title: hardware,
                      isNumber: true,
                      value: (row: Row) => row.cells.get(hardware)?.started ?? row.cells.get(hardware)?.failing?.since ?? null,
                      show: (row: Row) => <Age cell={row.cells.get(hardware)} most={most} />,
                    })),
                  ]}
                />
              </div>
            </>
          );
        }}
      </Ready>
    </div>
  );
}

function Age({ cell, most }: { cell: Cell | undefined; most: number }) {
  if (!cell) return <span class="muted">–</span>;
  if (cell.failing) {
    return (
      <span class="failing">
        failing since {day(cell.failing.since)} ({cell.failing.outcome}), {cell.started === null ? "never measured" : `last good ${age(cell.started)}`}
      </span>
    );
  }
  const isOld = cell.started !== null && Date.now() - Date.parse(cell.started) > most * DAY;
  return (
    <span class={isOld ? "old" : undefined}>
      {age(cell.started)} ({cell.points}){isOld ? " old" : ""}
    </span>
  );
}

/** Failed points that are read of each class. */
const MOST_FAILURES = 1000;

/** The newest failed points of a branch. */
async function failuresOf(address: URLSearchParams): Promise<Newest> {
  const common: [string, string | null][] = [["branch", address.get("branch") ?? "main"], ["as_of", address.get("as_of")]];
  const reliability = await read<Page<ReliabilityRow>>(`/api/v1/reliability${queryOf(common)}`);
  const classes = [...new Set(reliability.data.flatMap((row) => Object.keys(row.outcomes)))].filter((name) => name !== "measured").sort();
  const fields = "id,started,model_prefix,precision,hardware,framework,spec_decoding,disagg,outcome";
  const pages = await Promise.all(classes.map((name) => read<Page<Point>>(`/api/v1/points${queryOf([...common, ["outcome", name], ["fields", fields], ["limit", String(MOST_FAILURES)]])}`)));
  return { points: pages.flatMap((page) => page.data), isCut: pages.some(({ next }) => next !== null) };
}

function cellOf(rows: Map<string, Row>, columns: Set<string>, point: Point): Cell {
  const name = `${MODEL.of(point)} ${point.precision ?? ""} ${FRAMEWORK.of(point)}`;
  const hardware = HARDWARE.of(point);
  columns.add(hardware);
  const row = rows.get(name) ?? { name, cells: new Map<string, Cell>() };
  rows.set(name, row);
  const cell = row.cells.get(hardware) ?? { points: 0, started: null };
  row.cells.set(hardware, cell);
  return cell;
}

function tableOf(points: readonly Point[], failures: readonly Point[]): { rows: Row[]; columns: string[] } {
  const rows = new Map<string, Row>();
  const columns = new Set<string>();
  for (const point of points) {
    const cell = cellOf(rows, columns, point);
    cell.points += 1;
    if (cell.started === null || (point.started ?? "") > cell.started) cell.started = point.started ?? null;
  }
  for (const point of failures) {
    const cell = cellOf(rows, columns, point);
    const started = point.started ?? "";
    const isSince = started > (cell.started ?? "") && (cell.failing === undefined || started < cell.failing.since);
    if (isSince) cell.failing = { since: started, outcome: point.outcome ?? "failed" };
  }
  return { rows: [...rows.values()], columns: [...columns].sort((one, other) => one.localeCompare(other, "en", { numeric: true })) };
}
