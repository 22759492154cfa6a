/** What is measured on which hardware, and how old it is. */
import { useAddress } from "../address";
import { type Point, useLoaded } from "../api";
import { DataTable } from "../DataTable";
import { FRAMEWORK, HARDWARE, MODEL } from "../dimensions";
import { age } from "../format";
import { newest } from "../newest";
import { Ready, Select } from "../parts";

interface Cell {
  points: number;
  started: string | null;
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
  const loaded = useLoaded(key, () => newest(null, [], query));
  const most = Number(query.get("old") ?? DEFAULT_AGE);
  return (
    <div class="content alone">
      <h1>Coverage</h1>
      <div class="controls">
        <Select label="Old after" name="old" options={AGES} fallback={DEFAULT_AGE} />
      </div>
      <Ready of={loaded}>
        {({ points, isCut }) => {
          const { rows, columns } = tableOf(points);
          return (
            <>
              <p class="muted">The age of the newest measured points of each model and engine (and how many there are) by hardware. A dash: never measured.</p>
              {isCut && <p class="warning">The history has more curves than are shown.</p>}
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
                      value: (row: Row) => row.cells.get(hardware)?.started ?? null,
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
  const isOld = cell.started !== null && Date.now() - Date.parse(cell.started) > most * DAY;
  return (
    <span class={isOld ? "old" : undefined}>
      {age(cell.started)} ({cell.points}){isOld ? " old" : ""}
    </span>
  );
}

function tableOf(points: readonly Point[]): { rows: Row[]; columns: string[] } {
  const rows = new Map<string, Row>();
  const columns = new Set<string>();
  for (const point of points) {
    const name = `${MODEL.of(point)} ${point.precision ?? ""} ${FRAMEWORK.of(point)}`;
    const hardware = HARDWARE.of(point);
    columns.add(hardware);
    const row = rows.get(name) ?? { name, cells: new Map<string, Cell>() };
    rows.set(name, row);
    const cell = row.cells.get(hardware) ?? { points: 0, started: null };
    cell.points += 1;
    if (cell.started === null || (point.started ?? "") > cell.started) cell.started = point.started ?? null;
    row.cells.set(hardware, cell);
  }
  return { rows: [...rows.values()], columns: [...columns].sort((one, other) => one.localeCompare(other, "en", { numeric: true })) };
}
