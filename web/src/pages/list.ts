/** The pages of the dashboards by path. A new page is a line here and one in `src/serve/pages.rs`. */
import type { FunctionComponent } from "preact";
import { Compare } from "./Compare";
import { Cost } from "./Cost";
import { Coverage } from "./Coverage";
import { Details } from "./Details";
import { Mlperf } from "./Mlperf";
import { Overview } from "./Overview";
import { Performance } from "./Performance";
import { PointPage } from "./PointPage";
import { Reliability } from "./Reliability";
import { Trends } from "./Trends";

export interface PageEntry {
  path: string;
  title: string;
  component: FunctionComponent;
  /** Whether the navigation leaves it out. */
  isHidden?: boolean;
}

export const PAGES: PageEntry[] = [
  { path: "/", title: "Overview", component: Overview },
  { path: "/performance", title: "Performance", component: Performance },
  { path: "/trends", title: "Trends", component: Trends },
  { path: "/compare", title: "Compare", component: Compare },
  { path: "/details", title: "Details", component: Details },
  { path: "/cost", title: "Cost", component: Cost },
  { path: "/mlperf", title: "MLPerf", component: Mlperf },
  { path: "/reliability", title: "Reliability", component: Reliability },
  { path: "/coverage", title: "Coverage", component: Coverage },
  { path: "/point", title: "Point", component: PointPage, isHidden: true },
];
