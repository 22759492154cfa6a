/** CSV of what is shown (RFC 4180). */

type Cell = string | number | boolean | null | undefined;

/** `notes` come first, as lines that begin with `#`. */
export function csvOf(header: readonly string[], rows: readonly (readonly Cell[])[], notes: readonly string[] = []): string {
  const comments = notes.map((note) => `# ${note.replaceAll(/[\r\n]+/g, " ")}`);
  return [...comments, ...[header, ...rows].map((row) => row.map(cell).join(","))].join("\r\n") + "\r\n";
}

/** A text that a spreadsheet would take for a formula gets an apostrophe in front. */
function cell(value: Cell): string {
  if (value === null || value === undefined) return "";
  if (typeof value !== "string") return String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
