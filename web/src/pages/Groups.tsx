/** Points grouped by a dimension: how many there are, and the best and the median of each metric. */
import { changed, href, useAddress } from "../address";
import type { Point } from "../api";
import { mixtures } from "../comparable";
import { type Column, DataTable } from "../DataTable";
import type { Dimension } from "../dimensions";
import { number } from "../format";
import { type Metric, shown, titleWithUnit } from "../metrics";
import { Warnings } from "../parts";
import { median } from "../statistics";

interface Group {
  value: string;
  points: Point[];
}

export function Groups({ points, dimension, metrics }: { points: readonly Point[]; dimension: Dimension; metrics: readonly Metric[] }) {
  const { path, query } = useAddress();
  const groups = new Map<string, Point[]>();
  for (const point of points) {
    const value = dimension.of(point);
    const members = groups.get(value);
    if (members) members.push(point);
    else groups.set(value, [point]);
  }
  const rows = [...groups].map(([value, members]): Group => ({ value, points: members }));
  const member = (value: string) => href(path, changed(query, { group: null, [dimension.key]: value }));
  const columns: Column<Group>[] = [
    { key: "value", title: dimension.title, value: (group) => group.value, show: (group) => <a href={member(group.value)}>{group.value}</a> },
    { key: "points", title: "Points", isNumber: true, value: (group) => group.points.length },
    { key: "failed", title: "Failed", isNumber: true, value: (group) => group.points.filter((point) => point.outcome !== undefined && point.outcome !== null && point.outcome !== "measured").length },
    ...metrics.flatMap((metric): Column<Group>[] => [
      { key: `best ${metric.column}`, title: `${titleWithUnit(metric)}, ${metric.better === undefined ? "largest" : "best"}`, isNumber: true, value: (group) => best(group, metric), show: (group) => number(best(group, metric)) },
      { key: `median ${metric.column}`, title: "median", isNumber: true, value: (group) => median(values(group, metric)), show: (group) => number(median(values(group, metric))) },
    ]),
  ];
  const warnings = [...new Set(rows.flatMap((group) => mixtures(group.points, ...metrics)))];
  return (
    <>
      <Warnings texts={warnings} />
      <DataTable name={`Points by ${dimension.title}`} rows={rows} columns={columns} order="-points" orderKey="groups" notes={[...metrics.map((metric) => `${metric.title}: ${metric.formula}`), ...warnings]} />
    </>
  );
}

function values(group: Group, metric: Metric): number[] {
  return group.points.flatMap((point) => shown(metric, point[metric.column as keyof Point]) ?? []).sort((one, other) => one - other);
}

function best(group: Group, metric: Metric): number | null {
  const sorted = values(group, metric);
  return (metric.better === "lower" ? sorted[0] : sorted.at(-1)) ?? null;
}
