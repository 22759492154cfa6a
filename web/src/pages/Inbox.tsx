/** The inbox of regressions: losses of level as threads, what was said of them, and how to find their cause. */
import { useRef, useState } from "preact/hooks";
import { onSameData, useAddress } from "../address";
import { literal, type Page, query as queryOf, read, useLoaded } from "../api";
import { type CurveKey, pageOfKey } from "../dimensions";
import { count, day, number, percent, shortCommit } from "../format";
import { metricById } from "../metrics";
import { Card, Copyable, Ready, Select, TextField } from "../parts";
import { postJson, Problem } from "../source/server";
import { IS_SERVED } from "../source/source";
import { token } from "../source/token";
import { TokenInput } from "../TokenForm";
import { imagesOf } from "./Explanation";

export interface RunHead {
  run: number;
  commit: string;
  branch: string | null;
  kind: string;
  date: string;
  url?: string;
  pull_request?: number;
  images: string[];
}

export interface Annotation {
  id: number;
  kind: string;
  text: string;
  link?: string;
  author: string;
  to?: string;
}

interface ThreadChange {
  point: string;
  key: { curve: CurveKey; conc: number };
  metric: string;
  before: number;
  now: number;
  newest: number;
  relative: number;
  low: number | null;
  high: number | null;
  run: number;
  is_fixed: boolean;
}

export interface Thread {
  thread: string;
  state: "open" | "acknowledged" | "expected" | "fixed";
  hardware: string;
  framework: string;
  models: string[];
  metrics: string[];
  points: number;
  after: string;
  at: string;
  good: RunHead | null;
  bad: RunHead | null;
  compare_url: string | null;
  largest: ThreadChange;
  changes: ThreadChange[];
  annotations: Annotation[];
  waivers: { until: string; reason: string }[];
}

interface Bisection {
  between: RunHead[];
  tried: { run: number; commit: string; value: number; is_good: boolean }[];
  middle: string | null;
  is_cut: boolean;
  is_one_commit: boolean;
  comment: string | null;
  commands: string | null;
  changes: Annotation[];
  good: RunHead | null;
  bad: RunHead | null;
}

const STATES = ["open", "acknowledged", "expected", "fixed"] as const;
/** Changes of a thread that are listed at first. */
const SHOWN = 20;

export function Inbox() {
  const { query } = useAddress();
  const [version, reload] = useState(0);
  const state = query.get("state") ?? "open";
  const path = `/api/v1/regressions${queryOf([["branch", query.get("branch")], ["filter", query.get("model") ? `model=${query.get("model")}` : null]])}`;
  const loaded = useLoaded(`${path} ${version}`, async () => (await read<Page<Thread>>(path, version > 0)).data);
  const words = (query.get("search") ?? "").toLowerCase().split(/\s+/).filter((word) => word !== "");
  return (
    <div class="content alone">
      <h1>Regressions</h1>
      <div class="controls">
        <TextField label="Search" name="search" placeholder="h200 vllm" />
        <Select label="State" name="state" options={[...STATES.map((value) => ({ value, title: value })), { value: "all", title: "all" }]} fallback="open" />
      </div>
      <p class="muted">Losses of level on a branch. Points of one hardware and engine that may have changed at one time are one thread: they have one cause, most likely.</p>
      {query.get("as_of") !== null && <p class="muted">Levels are known for the present only.</p>}
      <Ready of={loaded}>
        {(threads) => {
          const found = threads.filter((thread) => (state === "all" || thread.state === state) && words.every((word) => textOf(thread).includes(word)));
          return (
            <>
              <div class="cards">
                {STATES.map((name) => (
                  <Card key={name} title={name} value={threads.filter((thread) => thread.state === name).length} tone={name === "open" && threads.some((thread) => thread.state === "open") ? "worse" : undefined} />
                ))}
              </div>
              {found.length === 0 ? <p class="empty">{state === "open" ? "No open regression." : `No thread is ${state}.`}</p> : null}
              <div class="threads">
                {found.map((thread) => (
                  <ThreadView key={thread.thread} thread={thread} onWritten={() => reload(version + 1)} />
                ))}
              </div>
            </>
          );
        }}
      </Ready>
    </div>
  );
}

function textOf(thread: Thread): string {
  return [thread.hardware, thread.framework, ...thread.models, ...thread.metrics, ...thread.changes.map(({ point }) => point)].join(" ").toLowerCase();
}

function ThreadView({ thread, onWritten }: { thread: Thread; onWritten: () => void }) {
  const { largest } = thread;
  const title = (name: string) => metricById(name)?.title.split(",")[0] ?? name;
  const interval = largest.low === null ? "" : ` (95 % interval ${percent(largest.low)} to ${percent(largest.high)})`;
  return (
    <article class={`thread ${thread.state}`} id={thread.thread}>
      <h2>
        {thread.hardware} · {thread.framework}: {count(thread.points, "point")} of {thread.models.join(", ")}
      </h2>
      <p>
        <span class="state">{thread.state}</span> <strong class="worse-text">{percent(largest.relative)}</strong> {title(largest.metric)} of the point that lost most{interval}, between {day(thread.after)} and {day(thread.at)}. Changed: {thread.metrics.map(title).join(", ")}.
      </p>
      <p class="muted">
        Last good {headOf(thread.good)}, first bad {headOf(thread.bad)}.{" "}
        {thread.compare_url && (
          <a href={thread.compare_url} target="_blank" rel="noreferrer">
            Commits between
          </a>
        )}
      </p>
      <Annotations rows={thread.annotations} />
      {thread.waivers.map(({ until, reason }) => (
        <p key={`${until} ${reason}`}>
          Accepted by imax.yaml until {until}: {reason}
        </p>
      ))}
      <details>
        <summary>{count(thread.changes.length, "change")} of level</summary>
        <Changes thread={thread} />
      </details>
      <Bisect thread={thread} />
      {thread.state !== "fixed" && <div data-served>{IS_SERVED ? <Acknowledge thread={thread} onWritten={onWritten} /> : <ReadOnly />}</div>}
    </article>
  );
}

function headOf(head: RunHead | null) {
  if (!head) return "unknown";
  const text = `run ${head.run}, ${day(head.date)}, ${shortCommit(head.commit)}`;
  return head.url ? (
    <a href={head.url} target="_blank" rel="noreferrer">
      {text}
    </a>
  ) : (
    text
  );
}

export function Annotations({ rows }: { rows: readonly Annotation[] }) {
  if (rows.length === 0) return null;
  return (
    <ul class="notes">
      {rows.map((note) => (
        <li key={note.id}>
          <strong>{note.kind}</strong>: {note.text} <span class="muted">({note.author}{note.to ? `, until ${day(note.to)}` : ""})</span>{" "}
          {note.link && (
            <a href={note.link} target="_blank" rel="noreferrer">
              more
            </a>
          )}
        </li>
      ))}
    </ul>
  );
}

function Changes({ thread }: { thread: Thread }) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={`Changes of ${thread.hardware} ${thread.framework}, ${day(thread.at)}`}>
      <table>
        <thead>
          <tr>
            <th scope="col">Point</th>
            <th scope="col">Metric</th>
            <th scope="col" class="number">Change</th>
            <th scope="col">95 % interval</th>
            <th scope="col" class="number">Before</th>
            <th scope="col" class="number">Since</th>
            <th scope="col" class="number">Now</th>
          </tr>
        </thead>
        <tbody>
          {thread.changes.slice(0, SHOWN).map((change) => {
            const metric = metricById(change.metric);
            const scaled = (value: number) => number(value * (metric?.scale ?? 1));
            return (
              <tr key={`${change.point} ${change.metric}`}>
                <td>
                  <a href={pageOfKey(change.key.curve, change.key.conc, change.run)}>{change.point}</a>
                </td>
                <td>
                  <a href={onSameData("/trends", [["model", change.key.curve["model-prefix"]], ["metric", change.metric], ["search", change.point]])}>{metric?.title.split(",")[0] ?? change.metric}</a> ({metric?.unit})
                </td>
                <td class="number">{percent(change.relative)}</td>
                <td>{change.low === null ? "–" : `${percent(change.low)} to ${percent(change.high)}`}</td>
                <td class="number">{scaled(change.before)}</td>
                <td class="number">{scaled(change.now)}</td>
                <td class="number">
                  {scaled(change.newest)}
                  {change.is_fixed ? " fixed" : ""}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
      {thread.changes.length > SHOWN && <p class="muted">{thread.changes.length - SHOWN} more; the API has all.</p>}
    </div>
  );
}

/** What lies between good and bad, and how to measure its middle; asked for when it is opened. */
function Bisect({ thread }: { thread: Thread }) {
  const { query } = useAddress();
  const [isOpen, open] = useState(false);
  const path = `/api/v1/bisection${queryOf([["thread", thread.thread], ["branch", query.get("branch")], ["filter", query.get("model") ? `model=${query.get("model")}` : null]])}`;
  const loaded = useLoaded(isOpen ? path : null, () => read<Bisection>(path));
  return (
    <details onToggle={(event) => open(event.currentTarget.open)}>
      <summary>Bisect</summary>
      {isOpen && <Ready of={loaded}>{(bisection) => <BisectionView bisection={bisection} />}</Ready>}
    </details>
  );
}

function BisectionView({ bisection }: { bisection: Bisection }) {
  const { good, bad, between, tried, comment, commands, changes } = bisection;
  const newImages = imagesOf(bad?.images ?? [], good?.images ?? []);
  return (
    <>
      {newImages.length > 0 && <p>Images that the first bad run has and the last good one has not: {newImages.join(", ")}</p>}
      <Annotations rows={changes} />
      <p>{between.length === 0 ? "The history has no run between the two." : `${count(between.length, "run")} of other points between the two:`}</p>
      {between.length > 0 && (
        <ul>
          {between.map((head) => (
            <li key={head.run}>
              {headOf(head)}, {head.branch ?? "no branch"}
              {head.pull_request ? `, pull request ${head.pull_request}` : ""}
              {head.commit === bisection.middle ? <strong> ← middle</strong> : null}
              {head.images.length > 0 && <span class="muted"> {head.images.join(", ")}</span>}
            </li>
          ))}
        </ul>
      )}
      {bisection.is_cut && <p class="muted">There are more runs; these are the newest.</p>}
      {tried.map(({ run, commit, value, is_good: isGood }) => (
        <p key={run}>
          Run {run} of <code>{shortCommit(commit)}</code> measured {number(value)}: <strong class={isGood ? "better-text" : "worse-text"}>{isGood ? "good" : "bad"}</strong>
        </p>
      ))}
      {bisection.is_one_commit && <p>Both runs are of one commit: the cause is not a commit, but an image, a machine or its surroundings.</p>}
      {comment ? (
        <>
          <p>The comment that measures only the affected points, in a pull request whose head is the commit in question:</p>
          <Copyable text={comment} label="Comment" />
          {commands && (
            <>
              <p>Commands that make that pull request for {bisection.middle ? <code>{shortCommit(bisection.middle)}</code> : "the commit that Git finds in the middle"}:</p>
              <Copyable text={commands} label="Commands" />
            </>
          )}
        </>
      ) : (
        <p class="muted">No comment can name these points: their names or their number do not fit into a command.</p>
      )}
    </>
  );
}

function ReadOnly() {
  return (
    <p class="muted">
      These pages are files and take no writes: <code>imax history annotate --kind acknowledged</code>, or this page of <code>imax serve --writes</code>, says what a thread is; the next <code>imax publish --site</code> shows it.
    </p>
  );
}

const KINDS = [
  { value: "acknowledged", title: "acknowledged: under investigation" },
  { value: "expected", title: "expected: accepted until a day" },
];

/** Writes one annotation for each first bad run of the thread, so that tokens of a project can do it. */
function Acknowledge({ thread, onWritten }: { thread: Thread; onWritten: () => void }) {
  const [kind, choose] = useState("acknowledged");
  const [failure, fail] = useState<{ message: string; isForbidden: boolean } | null>(null);
  const [hasToken, know] = useState(token() !== null);
  const [isChanging, change] = useState(false);
  /** Documents that the server has taken, so that none is written twice when a later one fails. */
  const written = useRef(new Set<string>());
  const [isSending, send] = useState(false);
  const submit = async (form: HTMLFormElement) => {
    const text = (name: string) => {
      const field = form.elements.namedItem(name);
      return field instanceof HTMLInputElement ? field.value.trim() : "";
    };
    const runs = [...new Set(thread.changes.filter((change) => !change.is_fixed).map((change) => change.run))];
    const until = text("until");
    const common = {
      kind,
      text: text("text"),
      ...(text("link") === "" ? {} : { link: text("link") }),
      ...(kind === "expected" && until !== "" ? { to: `${until}T23:59:59Z` } : {}),
      filters: [`hardware=${literal(thread.hardware)}`, `framework=${literal(thread.framework)}`, ...thread.models.map((model) => `model=${literal(model)}`)],
    };
    send(true);
    try {
      for (const run of runs) {
        const document = { ...common, run };
        const key = JSON.stringify(document);
        if (written.current.has(key)) continue;
        await postJson("/api/v1/annotations", document);
        written.current.add(key);
      }
      written.current.clear();
      fail(null);
      onWritten();
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      const done = runs.filter((run) => written.current.has(JSON.stringify({ ...common, run }))).length;
      const partly = done === 0 ? "" : `. ${done} of ${count(runs.length, "annotation")} written; Write sends the others.`;
      fail({ message: `${message}${partly}`, isForbidden: error instanceof Problem && error.status === 403 });
    } finally {
      send(false);
    }
  };
  return (
    <details>
      <summary>Acknowledge or accept</summary>
      {(!hasToken || isChanging) && (
        <>
          <p class="muted">Writing needs a token with the scope annotate. It stays in this tab, and is in no address.</p>
          <div class="token">
            <TokenInput
              onSaved={() => {
                know(token() !== null);
                change(false);
                fail(null);
              }}
            />
          </div>
        </>
      )}
      {hasToken && (
        <form
          class="form"
          aria-busy={isSending}
          onSubmit={(event) => {
            event.preventDefault();
            void submit(event.currentTarget);
          }}
        >
          <label class="field">
            <span>As</span>
            <select value={kind} onChange={(event) => choose(event.currentTarget.value)}>
              {KINDS.map(({ value, title }) => (
                <option key={value} value={value}>
                  {title}
                </option>
              ))}
            </select>
          </label>
          <label class="field long">
            <span>{kind === "expected" ? "Why it is accepted" : "Who looks after it, and what is known"}</span>
            <input type="text" name="text" required maxLength={4000} />
          </label>
          <label class="field long">
            <span>Link (an issue, a pull request)</span>
            <input type="text" name="link" placeholder="https://…" />
          </label>
          {kind === "expected" && (
            <label class="field">
              <span>Until</span>
              <input type="date" name="until" required />
            </label>
          )}
          <button type="submit" disabled={isSending}>
            Write
          </button>
        </form>
      )}
      {failure !== null && (
        <p class="failed" role="alert">
          {failure.message}{" "}
          {failure.isForbidden && (
            <button type="button" onClick={() => change(true)}>
              Use another token
            </button>
          )}
        </p>
      )}
    </details>
  );
}
