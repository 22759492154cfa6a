/** A comparison in short: sentences, and who won by model and hardware family. */
import { count, percent } from "../format";
import { metricById } from "../metrics";
import { Card } from "../parts";

export interface Extreme {
  point: string;
  metric: string;
  relative: number;
  low: number;
  high: number;
}

export interface GroupSummary {
  by: "model" | "hardware";
  name: string;
  pairs: number;
  better: number;
  worse: number;
  undecided: number;
  failed: number;
  win_rate?: number;
  throughput?: number;
}

export interface Summary {
  metrics: { metric: string; pairs: number; relative: number; low: number; high: number }[];
  groups: GroupSummary[];
  best: Extreme | null;
  worst: Extreme | null;
  sentences: string[];
}

export function SummaryView({ summary }: { summary: Summary }) {
  return (
    <>
      <ul class="sentences">
        {summary.sentences.map((sentence) => (
          <li key={sentence}>{sentence}</li>
        ))}
      </ul>
      <SummaryCards summary={summary} />
      {summary.groups.length > 0 && (
        <div class="columns2">
          <Groups subject="Model" groups={summary.groups.filter(({ by }) => by === "model")} />
          <Groups subject="Hardware family" groups={summary.groups.filter(({ by }) => by === "hardware")} />
        </div>
      )}
    </>
  );
}

export function SummaryCards({ summary }: { summary: Summary }) {
  const models = summary.groups.filter(({ by }) => by === "model");
  const sum = (of: (group: GroupSummary) => number) => models.reduce((total, group) => total + of(group), 0);
  const [better, decided] = [sum((group) => group.better), sum((group) => group.better + group.worse + group.failed)];
  return (
    <div class="cards">
      <ExtremeCard title="Best gain" extreme={summary.best} tone="better" />
      <ExtremeCard title="Worst regression" extreme={summary.worst} tone="worse" />
      <Card title="Win rate" value={decided === 0 ? "–" : `${Math.round((better / decided) * 100)} %`} note={decided === 0 ? "no point is decidedly better or worse" : `${better} of ${count(decided, "decided point")}`} />
      <Card title="Verdicts" value={sum((group) => group.pairs)} note={`pairs: ${better} better, ${sum((group) => group.worse)} worse, ${sum((group) => group.undecided)} same or unsure, ${sum((group) => group.failed)} failed`} />
    </div>
  );
}

function ExtremeCard({ title, extreme, tone }: { title: string; extreme: Extreme | null; tone: string }) {
  if (!extreme) return <Card title={title} value="none" note="no change is significant" />;
  const metric = metricById(extreme.metric)?.title.split(",")[0] ?? extreme.metric;
  return <Card title={title} value={percent(extreme.relative)} note={`${metric}, ${extreme.point} (${percent(extreme.low)} to ${percent(extreme.high)})`} tone={tone} />;
}

function Groups({ subject, groups }: { subject: string; groups: readonly GroupSummary[] }) {
  const title = `By ${subject.toLowerCase()}`;
  return (
    <section aria-label={title}>
      <h2>{title}</h2>
      <div class="scroll" tabIndex={0} role="region" aria-label={`Win rate, ${title.toLowerCase()}`}>
        <table>
          <thead>
            <tr>
              <th scope="col">{subject}</th>
              <th scope="col" class="number">Win rate</th>
              <th scope="col" class="number">Better</th>
              <th scope="col" class="number">Worse</th>
              <th scope="col" class="number">Same or unsure</th>
              <th scope="col" class="number">Failed</th>
              <th scope="col" class="number">Throughput</th>
            </tr>
          </thead>
          <tbody>
            {groups.map((group) => (
              <tr key={group.name}>
                <th scope="row">{group.name}</th>
                <td class="number">{group.win_rate === undefined ? "–" : `${Math.round(group.win_rate * 100)} %`}</td>
                <td class="number">{group.better}</td>
                <td class="number">{group.worse}</td>
                <td class="number">{group.undecided}</td>
                <td class="number">{group.failed}</td>
                <td class="number">{percent(group.throughput)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
