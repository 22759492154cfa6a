/** The pages of the dashboards by path. A new page is a line here and one in `src/serve/pages.rs`. */
import type { FunctionComponent } from "preact";
import { Accuracy } from "./Accuracy";
import { Compare } from "./Compare";
import { Cost } from "./Cost";
import { Coverage } from "./Coverage";
import { Details } from "./Details";
import { Inbox } from "./Inbox";
import { Llmd } from "./Llmd";
import { Mlperf } from "./Mlperf";
import { Overview } from "./Overview";
import { Performance } from "./Performance";
import { PointPage } from "./PointPage";
import { PullRequests } from "./PullRequests";
import { Reliability } from "./Reliability";
import { Report } from "./Report";
import { Rhaiis } from "./Rhaiis";
import { Trends } from "./Trends";
import { DESCRIPTION, SOURCE, type SourceKind } from "../source/source";

export interface PageEntry {
  path: string;
  title: string;
  component: FunctionComponent;
  /** Whether the navigation leaves it out. */
  isHidden?: boolean;
  /** The sources whose data it can show [default: all]. */
  sources?: readonly SourceKind[];
}

/** Pages of a history, of which a report has one run. */
const HISTORY: readonly SourceKind[] = ["server", "site"];

const ALL_PAGES: PageEntry[] = [
  { path: "/", title: "Report", component: Report, sources: ["report"] },
  { path: "/", title: "Overview", component: Overview, sources: HISTORY },
  { path: "/performance", title: "Performance", component: Performance },
  { path: "/trends", title: "Trends", component: Trends, sources: HISTORY },
  { path: "/compare", title: "Compare", component: Compare, ...(SOURCE.kind === "report" && !DESCRIPTION.compared ? { sources: HISTORY } : {}) },
  { path: "/inbox", title: "Regressions", component: Inbox, sources: HISTORY },
  { path: "/pulls", title: "Pull requests", component: PullRequests, sources: HISTORY },
  { path: "/details", title: "Details", component: Details },
  { path: "/cost", title: "Cost", component: Cost },
  { path: "/accuracy", title: "Accuracy", component: Accuracy, sources: HISTORY },
  { path: "/rhaiis", title: "RHAIIS", component: Rhaiis, sources: HISTORY },
  { path: "/llm-d", title: "LLM-D", component: Llmd, sources: HISTORY },
  { path: "/mlperf", title: "MLPerf", component: Mlperf, sources: HISTORY },
  { path: "/reliability", title: "Reliability", component: Reliability },
  { path: "/coverage", title: "Coverage", component: Coverage, sources: HISTORY },
  { path: "/point", title: "Point", component: PointPage, isHidden: true },
];

/** The pages that the source of this document has data for. */
export const PAGES: PageEntry[] = ALL_PAGES.filter(({ sources }) => sources?.includes(SOURCE.kind) ?? true);

/** Whether a page is known, and this source lacks its data. */
export function isElsewhere(path: string): boolean {
  return ALL_PAGES.some((known) => known.path === path) && !PAGES.some((known) => known.path === path);
}
