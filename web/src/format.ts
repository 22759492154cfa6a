/** Numbers, dates and names as text. */

const GROUPED = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** Four significant digits, or all digits before the point; `–` for what was not reported. */
export function number(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size >= 1000) return GROUPED.format(value);
  if (size === 0) return "0";
  if (size < 0.001) return value.toExponential(2);
  const digits = size >= 100 ? 1 : size >= 10 ? 2 : size >= 1 ? 3 : 4;
  return String(Number(value.toFixed(digits)));
}

/** A ratio minus one, in percent with its sign. */
export function percent(relative: number | null | undefined): string {
  if (relative === null || relative === undefined || !Number.isFinite(relative)) return "–";
  const text = (relative * 100).toFixed(Math.abs(relative) < 0.0995 ? 1 : 0);
  return `${relative > 0 ? "+" : ""}${text === "-0.0" ? "0.0" : text} %`;
}

/** `2026-11-30 05:00` of RFC 3339, in UTC as all times of the dashboards. */
export function minute(time: string | null | undefined): string {
  return time ? time.slice(0, 16).replace("T", " ") : "–";
}

export function day(time: string | null | undefined): string {
  return time ? time.slice(0, 10) : "–";
}

/** How long ago, in the largest whole unit. */
export function age(time: string | null | undefined, now = Date.now()): string {
  if (!time) return "–";
  const hours = (now - Date.parse(time)) / 3_600_000;
  if (hours < 1) return "now";
  if (hours < 48) return `${Math.floor(hours)} h`;
  return `${Math.floor(hours / 24)} d`;
}

/** `1024` as `1k`, as workloads are named. */
export function tokens(count: number): string {
  return count >= 1024 && count % 1024 === 0 ? `${count / 1024}k` : String(count);
}

export function count(amount: number, one: string, many = `${one}s`): string {
  return `${GROUPED.format(amount)} ${amount === 1 ? one : many}`;
}

export function shortCommit(commit: string | null | undefined): string {
  return commit ? commit.slice(0, 10) : "–";
}
