/** What a chart draws, in the units of its axes. */
import type { AxisKind } from "./scale";

export interface Mark {
  x: number;
  y: number;
  xLow?: number | undefined;
  xHigh?: number | undefined;
  yLow?: number | undefined;
  yHigh?: number | undefined;
  /** What is written beside it where there is room. */
  label?: string;
  /** Where a click leads. */
  href?: string;
  /** The first line of what is shown about it. */
  title: string;
  /** What else is shown about it. */
  facts: readonly (readonly [string, string])[];
  /** Drawn faint: it is there, and not the best. */
  isFaint?: boolean;
  /** Drawn as a cross: it does not count, and the facts say why. */
  isStruck?: boolean;
  /** What people know about it; the mark gets a ring, and files have the text. */
  warning?: string | undefined;
}

export interface Series {
  name: string;
  /** Its place among the colours and shapes. */
  style: number;
  marks: Mark[];
  /** Marks that a line joins, in order; measured points alone. */
  lines: (readonly Mark[])[];
  /** Not an official result: hollow marks and dots instead of lines. */
  isUnofficial?: boolean;
  /** Lines alone, without marks: an outline of a histogram. */
  isOutline?: boolean;
}

export interface Axis {
  title: string;
  kind: AxisKind;
  /** Names of the whole numbers from 0: values that have no order of their own, such as images. */
  categories?: readonly string[];
}

/** A range of y over a range of x, such as a level with its noise. */
export interface Band {
  x: readonly [number, number];
  y: readonly [number, number];
  middle: number;
}

/** A vertical line, such as a change point. */
export interface Rule {
  x: number;
  label: string;
  tone: "better" | "worse" | "neutral";
}

export interface ChartModel {
  /** Its accessible name, and the name of its files. */
  name: string;
  x: Axis;
  y: Axis;
  series: Series[];
  bands?: Band[];
  rules?: Rule[];
  /** Written across the picture, so that it is in every copy of it. */
  stamp?: string;
  /** Whether labels are written. */
  hasLabels?: boolean;
  /** Lines about source and formulas for its files. */
  notes?: string[];
}
