/** Accuracy beside speed: what is fast and answers as well as the model is known to. */
import { useMemo } from "preact/hooks";
import { useAddress } from "../address";
import { type Page, type Point, query as queryOf, read, useLoaded, valueOf } from "../api";
import { Chart } from "../chart/Chart";
import type { ChartModel, Mark } from "../chart/model";
import { mixtures } from "../comparable";
import { DataTable } from "../DataTable";
import { VARIANT } from "../deployments";
import { type Dimension, DIMENSIONS, FRAMEWORK, HARDWARE, lineOf, MODEL, nameOf, pageOf, SEQUENCE } from "../dimensions";
import { Facets } from "../Facets";
import { count, day, number } from "../format";
import { Card, Ready, Select, Verdict, Warnings } from "../parts";
import { choiceOf, select } from "../selection";

interface Score {
  task: string;
  score_name: string;
  score: number;
  stderr: number | null;
  questions: number | null;
  date: string;
  run: number;
  reference: number;
  reference_stderr: number | null;
  reference_of: string;
  reference_date: string;
  z: number | null;
  verdict: string;
}

type Scored = Point & { scores: Score[]; has_fallen: boolean; place: "on" | "struck" | "behind" };

const SCORED: Dimension = { key: "accuracy", title: "Accuracy", of: (point) => stateOf(point as Scored) };
const FACETS = [...DIMENSIONS.filter(({ key }) => key !== "run" && key !== "version"), VARIANT, SCORED];
/** Points that are equal in these have one frontier. */
const GROUPED = [MODEL, SEQUENCE, HARDWARE, VARIANT];
/** The numbers of the chart. */
const AXES = [{ column: "median_intvty" }, { column: "tput_per_gpu" }];

function stateOf(point: Scored): string {
  return point.has_fallen ? "fell" : point.scores.length > 0 ? "holds" : "not evaluated";
}

export function Accuracy() {
  const { query } = useAddress();
  const path = `/api/v1/accuracy${queryOf([["branch", query.get("branch")], ["as_of", query.get("as_of")]])}`;
  const loaded = useLoaded(path, async () => (await read<Page<Scored>>(path)).data);
  const all = valueOf(loaded) ?? [];
  const choice = choiceOf(query, FACETS);
  const chosen = select(all, choice, FACETS) as Scored[];
  return (
    <div class="withfacets">
      <Facets points={all} choice={choice} dimensions={FACETS} />
      <div class="content">
        <h1>Accuracy</h1>
        <Ready of={loaded}>{() => (all.length === 0 ? <p class="empty">This branch has no measured point.</p> : <Board points={chosen} />)}</Ready>
      </div>
    </div>
  );
}

function Board({ points }: { points: readonly Scored[] }) {
  const { query } = useAddress();
  const tasks = [...new Set(points.flatMap(({ scores }) => scores.map(({ task }) => task)))].sort();
  const model = useMemo(() => frontierOf(points), [points]);
  const struck = points.filter(({ place }) => place === "struck");
  const configurations = scoredOf(points, query.get("task") ?? "");
  return (
    <>
      <Summary points={points} />
      {new Set(points.map((point) => lineOf(point, GROUPED))).size > 1 && <p class="muted">Each model, hardware, workload and data set has a frontier of its own.</p>}
      <Warnings texts={mixtures(points, ...AXES)} />
      <Chart model={model} />
      <p class="muted">
        × is a point that would be on the frontier, and whose accuracy fell: it is struck. Faint points are behind. An evaluated configuration counts for all its loads; one that was not evaluated is not struck. A score fell if a z-test against the best known score of the same model and task says so with 99 %; the best is the
        one with the highest lower bound (score − 1.96 standard errors), of any configuration and run.
      </p>
      {struck.length > 0 && <Struck points={struck} />}
      <h2>Scores</h2>
      {tasks.length === 0 ? (
        <p class="empty">None of these configurations was evaluated. <code>imax eval</code> measures accuracy; sweeps do it for rows that are marked.</p>
      ) : (
        <>
          <div class="controls">
            <Select label="Task" name="task" options={[{ value: "", title: "all" }, ...tasks.map((value) => ({ value, title: value }))]} fallback="" />
          </div>
          <Chart model={scoresOf(configurations)} height={300} />
          <Scores rows={configurations} />
        </>
      )}
    </>
  );
}

function Summary({ points }: { points: readonly Scored[] }) {
  const configurations = new Map(points.map((point) => [configurationOf(point), point]));
  const all = [...configurations.values()];
  const evaluated = all.filter(({ scores }) => scores.length > 0);
  const fallen = evaluated.filter(({ has_fallen: hasFallen }) => hasFallen);
  return (
    <div class="cards">
      <Card title="Configurations evaluated" value={`${evaluated.length} of ${all.length}`} />
      <Card title="Accuracy fell" value={fallen.length} tone={fallen.length > 0 ? "worse" : undefined} note={fallen.map(configurationOf).slice(0, 3).join("; ")} />
      <Card title="On a frontier" value={points.filter(({ place }) => place === "on").length} note={count(points.length, "point")} />
      <Card title="Struck from a frontier" value={points.filter(({ place }) => place === "struck").length} tone={fallen.length > 0 ? "worse" : undefined} />
    </div>
  );
}

function configurationOf(point: Point): string {
  return [MODEL.of(point), HARDWARE.of(point), FRAMEWORK.of(point), point.precision, point.layout].join(" ");
}

/** `0.950 ± 0.028`. */
function scoreText(score: number, stderr: number | null): string {
  return stderr === null ? score.toFixed(3) : `${score.toFixed(3)} ± ${stderr.toFixed(3)}`;
}

function frontierOf(points: readonly Scored[]): ChartModel {
  const lines = new Map<string, Scored[]>();
  for (const point of points) {
    if (typeof point.median_intvty !== "number" || typeof point.tput_per_gpu !== "number") continue;
    const name = lineOf(point, GROUPED);
    lines.set(name, [...(lines.get(name) ?? []), point]);
  }
  return {
    name: "Throughput per GPU against interactivity, points whose accuracy fell struck",
    x: { title: "Interactivity, median (tok/s/user)", kind: "linear" },
    y: { title: "Throughput per GPU (tok/s/GPU)", kind: "linear" },
    series: [...lines].map(([name, own], style) => {
      const pairs = own.map((point) => ({ point, mark: markOf(point) }));
      const best = pairs.filter(({ point }) => point.place === "on").map(({ mark }) => mark);
      return { name, style, marks: pairs.map(({ mark }) => mark), lines: [best.sort((one, other) => one.x - other.x)] };
    }),
    hasLabels: true,
    notes: ["× would be on the frontier and is struck: its accuracy fell (z-test, 99 %, against the best known score of the model and task)", ...mixtures(points, ...AXES)],
  };
}

function markOf(point: Scored): Mark {
  return {
    x: point.median_intvty ?? NaN,
    y: point.tput_per_gpu ?? NaN,
    label: `${point.precision} ${point.layout} c${point.conc}`,
    href: pageOf(point),
    title: point.place === "struck" ? `Struck: ${nameOf(point)}` : nameOf(point),
    isFaint: point.place === "behind",
    isStruck: point.place === "struck",
    facts: [
      ["Throughput per GPU", `${number(point.tput_per_gpu)} tok/s/GPU`],
      ["Interactivity", `${number(point.median_intvty)} tok/s/user`],
      ["Accuracy", stateOf(point)],
      ...point.scores.map((score) => [`${score.task} ${score.score_name}`, `${scoreText(score.score, score.stderr)}, known ${scoreText(score.reference, score.reference_stderr)}`] as const),
    ],
  };
}

function Struck({ points }: { points: readonly Scored[] }) {
  const reason = (point: Scored) =>
    point.scores
      .filter(({ verdict }) => verdict === "worse")
      .map((score) => `${score.task} ${score.score_name} ${scoreText(score.score, score.stderr)}, known ${scoreText(score.reference, score.reference_stderr)} (${score.reference_of}, ${day(score.reference_date)}), z ${number(score.z)}`)
      .join("; ");
  return (
    <>
      <h2>Struck from the frontier</h2>
      <DataTable
        name="Points struck from the frontier"
        rows={points}
        order="-tput"
        orderKey="struck"
        columns={[
          { key: "point", title: "Point", value: nameOf, show: (point) => <a href={pageOf(point)}><s class="struck">{nameOf(point)}</s></a> },
          { key: "tput", title: "tok/s/GPU", isNumber: true, value: (point) => point.tput_per_gpu ?? null, show: (point) => number(point.tput_per_gpu) },
          { key: "speed", title: "tok/s/user", isNumber: true, value: (point) => point.median_intvty ?? null, show: (point) => number(point.median_intvty) },
          { key: "reason", title: "Why", isLong: true, value: reason },
        ]}
      />
    </>
  );
}

interface ConfigurationScore {
  configuration: string;
  best: Scored;
  score: Score;
}

/** The scores of each configuration, beside its fastest point. */
function scoredOf(points: readonly Scored[], task: string): ConfigurationScore[] {
  const fastest = new Map<string, Scored>();
  for (const point of points) {
    const name = configurationOf(point);
    const known = fastest.get(name);
    if (!known || (point.tput_per_gpu ?? 0) > (known.tput_per_gpu ?? 0)) fastest.set(name, point);
  }
  return [...fastest].flatMap(([configuration, best]) => best.scores.filter((score) => task === "" || score.task === task).map((score) => ({ configuration, best, score })));
}

function scoresOf(rows: readonly ConfigurationScore[]): ChartModel {
  const lines = new Map<string, ConfigurationScore[]>();
  for (const row of rows) {
    const name = `${row.best.model_prefix} · ${row.score.task} ${row.score.score_name}`;
    lines.set(name, [...(lines.get(name) ?? []), row]);
  }
  return {
    name: "Score against the most throughput per GPU of a configuration",
    x: { title: "Most throughput per GPU (tok/s/GPU)", kind: "linear" },
    y: { title: "Score", kind: "linear" },
    series: [...lines].map(([name, own], style) => ({
      name,
      style,
      lines: [],
      marks: own.map(({ configuration, best, score }): Mark => {
        const reach = score.stderr === null ? undefined : 1.96 * score.stderr;
        return {
          x: best.tput_per_gpu ?? NaN,
          y: score.score,
          yLow: reach === undefined ? undefined : score.score - reach,
          yHigh: reach === undefined ? undefined : score.score + reach,
          label: configuration,
          title: configuration,
          href: pageOf(best),
          isStruck: score.verdict === "worse",
          facts: [["Score", scoreText(score.score, score.stderr)], ["Best known", scoreText(score.reference, score.reference_stderr)], ["Of", score.reference_of], ["Date", day(score.date)]],
        };
      }),
    })),
    hasLabels: true,
    notes: ["intervals: score ± 1.96 standard errors"],
  };
}

function Scores({ rows }: { rows: readonly ConfigurationScore[] }) {
  return (
    <DataTable
      name="Scores of configurations"
      rows={rows}
      order="-tput"
      orderKey="scores"
      columns={[
        { key: "verdict", title: "Accuracy", value: ({ score }) => score.verdict, show: ({ score }) => <Verdict verdict={score.verdict} /> },
        { key: "configuration", title: "Configuration", value: ({ configuration }) => configuration, show: ({ configuration, score }) => (score.verdict === "worse" ? <s class="struck">{configuration}</s> : configuration) },
        { key: "task", title: "Task", value: ({ score }) => score.task },
        { key: "name", title: "Score", value: ({ score }) => score.score_name },
        { key: "score", title: "Value", isNumber: true, value: ({ score }) => score.score, show: ({ score }) => scoreText(score.score, score.stderr) },
        { key: "questions", title: "Questions", isNumber: true, value: ({ score }) => score.questions },
        { key: "reference", title: "Best known", isNumber: true, value: ({ score }) => score.reference, show: ({ score }) => scoreText(score.reference, score.reference_stderr) },
        { key: "of", title: "Of", isLong: true, value: ({ score }) => `${score.reference_of}, ${day(score.reference_date)}` },
        { key: "z", title: "z", isNumber: true, value: ({ score }) => score.z, show: ({ score }) => number(score.z) },
        { key: "tput", title: "Most tok/s/GPU", isNumber: true, value: ({ best }) => best.tput_per_gpu ?? null, show: ({ best }) => <a href={pageOf(best)}>{number(best.tput_per_gpu)}</a> },
        { key: "date", title: "Date", value: ({ score }) => day(score.date) },
      ]}
    />
  );
}
