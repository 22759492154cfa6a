/** Jobs, queues, GPU hours, machines and workflow runs, from the records that runs keep. */
import { useMemo } from "preact/hooks";
import { query as queryOf, read, useLoaded } from "../api";
import { Chart } from "../chart/Chart";
import type { ChartModel, Mark, Series } from "../chart/model";
import { DataTable } from "../DataTable";
import { age, count, day, minute, number, shortCommit } from "../format";
import { Card, Ready } from "../parts";
import type { RunHead } from "./Inbox";

interface JobSums {
  jobs: number;
  failed: number;
  classes: Record<string, number>;
  retried: number;
  median_queue_s?: number;
  longest_queue_s?: number;
  gpu_hours: number;
  lost_gpu_hours: number;
  unknown: number;
  success: number | null;
}

interface Operations {
  total: JobSums;
  days: (JobSums & { day: string })[];
  machines: (JobSums & { machine: string; hardware: string[]; last: string; last_good: string | null; is_silent: boolean })[];
  runs: (JobSums & { run: RunHead | null })[];
  failures: { run: RunHead | null; class: string; reason: string | null; job: string; curve: string; machine: string | null; seconds: number | null; phase: string | null }[];
  outcomes: { day: string; outcome: string; points: number }[];
  is_cut: boolean;
}

export function OperationsView({ common }: { common: [string, string | null][] }) {
  const path = `/api/v1/operations${queryOf(common)}`;
  const loaded = useLoaded(path, () => read<Operations>(path));
  return (
    <Ready of={loaded}>
      {(found) => (
        <>
          <Outcomes rows={found.outcomes} />
          {found.total.jobs === 0 ? (
            <p class="muted">The history keeps no job records of these runs: imax publish adds them from the artifacts' job.json. Queue times, GPU hours and machines are not known.</p>
          ) : (
            <Jobs found={found} />
          )}
        </>
      )}
    </Ready>
  );
}

/** Failed points by class over time. */
function Outcomes({ rows }: { rows: Operations["outcomes"] }) {
  const chart = useMemo((): ChartModel => {
    const days = [...new Set(rows.map((row) => row.day))].sort();
    const totals = new Map(days.map((day) => [day, rows.filter((row) => row.day === day).reduce((sum, row) => sum + row.points, 0)]));
    const classes = [...new Set(rows.map((row) => row.outcome))].filter((name) => name !== "measured").sort();
    const series = classes.map((name, style): Series => {
      const marks = days.map((day): Mark => {
        const points = rows.find((row) => row.day === day && row.outcome === name)?.points ?? 0;
        const total = totals.get(day) ?? 0;
        return { x: Date.parse(day), y: points, title: `${name}, ${day.slice(0, 10)}`, facts: [["Failed", String(points)], ["Of points", String(total)]] };
      });
      return { name, style, marks, lines: [marks] };
    });
    return { name: "Failed points by class and day", x: { title: "Date (UTC)", kind: "time" }, y: { title: "Failed points a day", kind: "linear" }, series };
  }, [rows]);
  if (chart.series.length === 0) return <p class="muted">No point failed.</p>;
  return (
    <>
      <h2>Failures over time</h2>
      <Chart model={chart} height={260} hideKey="hide" />
    </>
  );
}

function dayChart(name: string, unit: string, days: Operations["days"], lines: readonly [string, (day: JobSums) => number | undefined][]): ChartModel {
  const series = lines.map(([title, of], style): Series => {
    const marks = days.flatMap((found): Mark[] => {
      const y = of(found);
      return y === undefined ? [] : [{ x: Date.parse(found.day), y, title: `${title}, ${found.day.slice(0, 10)}`, facts: [[title, `${number(y)} ${unit}`], ["Jobs", String(found.jobs)]] }];
    });
    return { name: title, style, marks, lines: [marks] };
  });
  return { name, x: { title: "Date (UTC)", kind: "time" }, y: { title: unit, kind: "linear" }, series };
}

function Jobs({ found }: { found: Operations }) {
  const { total, days, machines, runs, failures } = found;
  const silent = machines.filter((machine) => machine.is_silent);
  const minutes = (seconds: number | undefined) => (seconds === undefined ? undefined : seconds / 60);
  const hours = useMemo(() => dayChart("GPU hours by day", "GPU hours", days, [["all jobs", (day) => day.gpu_hours], ["failed jobs", (day) => day.lost_gpu_hours]]), [days]);
  const waits = useMemo(() => dayChart("Time in the queue by day", "minutes", days, [["median", (day) => minutes(day.median_queue_s)], ["longest", (day) => minutes(day.longest_queue_s)]]), [days]);
  return (
    <>
      <h2>Jobs and machines</h2>
      <div class="cards">
        <Card title="Jobs" value={number(total.jobs)} note={`${total.failed} failed, ${total.retried} tried more than once`} tone={total.failed > 0 ? "worse" : undefined} />
        <Card title="GPU hours" value={number(total.gpu_hours)} note={`${number(total.lost_gpu_hours)} of failed jobs${total.unknown > 0 ? `, ${total.unknown} jobs not known` : ""}`} />
        <Card title="Queue, median" value={total.median_queue_s === undefined ? "–" : `${number(total.median_queue_s / 60)} min`} note={total.longest_queue_s === undefined ? "no launcher with a queue" : `longest ${number(total.longest_queue_s / 60)} min`} />
        <Card title="Silent machines" value={silent.length} note={silent.length === 0 ? `${count(machines.length, "machine")} seen` : silent.map(({ machine }) => machine).join(", ")} tone={silent.length > 0 ? "worse" : undefined} />
      </div>
      {found.is_cut && <p class="warning">Only the newest jobs are summed.</p>}
      <div class="smalls">
        <Chart model={hours} height={230} />
        {waits.series.some(({ marks }) => marks.length > 0) && <Chart model={waits} height={230} />}
      </div>
      <h2>Machines</h2>
      <DataTable
        name="Machines"
        rows={machines}
        order="machine"
        orderKey="machines"
        columns={[
          { key: "machine", title: "Machine", value: (row) => row.machine },
          { key: "hardware", title: "Hardware", value: (row) => row.hardware.join(", ") },
          { key: "state", title: "State", value: (row) => (row.is_silent ? "silent" : "in use"), show: (row) => (row.is_silent ? <strong class="worse-text">silent: offline, or nothing is sent to it</strong> : "in use") },
          { key: "last", title: "Last job", value: (row) => row.last, show: (row) => age(row.last) },
          { key: "good", title: "Last good", value: (row) => row.last_good, show: (row) => age(row.last_good) },
          { key: "jobs", title: "Jobs", isNumber: true, value: (row) => row.jobs },
          { key: "success", title: "Success", isNumber: true, value: (row) => row.success, show: (row) => (row.success === null ? "–" : `${(row.success * 100).toFixed(1)} %`) },
          { key: "hours", title: "GPU hours", isNumber: true, value: (row) => row.gpu_hours, show: (row) => number(row.gpu_hours) },
          { key: "queue", title: "Queue, median (min)", isNumber: true, value: (row) => minutes(row.median_queue_s) ?? null, show: (row) => number(minutes(row.median_queue_s)) },
        ]}
      />
      <h2>Workflow runs</h2>
      <DataTable
        name="Workflow runs"
        rows={runs}
        order="-date"
        orderKey="workflows"
        page={20}
        columns={[
          { key: "run", title: "Run", isNumber: true, value: (row) => row.run?.run ?? null, show: (row) => <RunLink head={row.run} /> },
          { key: "date", title: "Date", value: (row) => row.run?.date ?? null, show: (row) => day(row.run?.date) },
          { key: "commit", title: "Commit", value: (row) => row.run?.commit ?? null, show: (row) => <code>{shortCommit(row.run?.commit)}</code> },
          { key: "jobs", title: "Jobs", isNumber: true, value: (row) => row.jobs },
          { key: "failed", title: "Failed", isNumber: true, value: (row) => row.failed },
          { key: "classes", title: "Classes", value: (row) => Object.entries(row.classes).map(([name, jobs]) => `${name} ${jobs}`).join(", ") || null },
          { key: "retried", title: "Retried", isNumber: true, value: (row) => row.retried },
          { key: "hours", title: "GPU hours", isNumber: true, value: (row) => row.gpu_hours, show: (row) => number(row.gpu_hours) },
          { key: "queue", title: "Longest queue (min)", isNumber: true, value: (row) => minutes(row.longest_queue_s) ?? null, show: (row) => number(minutes(row.longest_queue_s)) },
        ]}
      />
      {failures.length > 0 && (
        <>
          <h2>Failed jobs</h2>
          <DataTable
            name="Failed jobs"
            rows={failures}
            order="-date"
            orderKey="jobs"
            page={20}
            columns={[
              { key: "date", title: "Date", value: (row) => row.run?.date ?? null, show: (row) => minute(row.run?.date) },
              { key: "class", title: "Class", value: (row) => row.class },
              { key: "phase", title: "Phase", value: (row) => row.phase },
              { key: "curve", title: "Curve", isLong: true, value: (row) => row.curve },
              { key: "machine", title: "Machine", value: (row) => row.machine },
              { key: "reason", title: "Reason", isLong: true, value: (row) => row.reason },
              { key: "run", title: "Run", isNumber: true, value: (row) => row.run?.run ?? null, show: (row) => <RunLink head={row.run} /> },
            ]}
          />
        </>
      )}
    </>
  );
}

/** To the workflow run where it is known, where logs and artifacts are. */
function RunLink({ head }: { head: RunHead | null }) {
  if (!head) return <>–</>;
  if (!head.url) return <>{head.run}</>;
  return (
    <a href={head.url} target="_blank" rel="noreferrer">
      {head.run} (log)
    </a>
  );
}
