/** Small parts that several pages have. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { changed, href, set, unless, useAddress } from "./address";
import { type Loaded, valueOf } from "./api";
import { type Metric, titleWithUnit } from "./metrics";

/** What was loaded, or why not. */
export function Ready<T>({ of, children }: { of: Loaded<T>; children: (value: T) => ComponentChildren }) {
  const value = valueOf(of);
  if (of.state === "failed") {
    return (
      <p class="failed" role="alert">
        {of.message}
      </p>
    );
  }
  if (value === undefined) return <p class="muted loading" aria-busy="true">Loading …</p>;
  return <div aria-busy={of.state === "loading"}>{children(value)}</div>;
}

/** Sentences about what must not be compared. */
export function Warnings({ texts }: { texts: readonly string[] }) {
  return texts.map((text) => (
    <p key={text} class="warning">
      {text}
    </p>
  ));
}

/** Why something beside a page's main content was not loaded; nothing where it was. */
export function Failure({ of, what }: { of: Loaded<unknown>; what: string }) {
  if (of.state !== "failed") return null;
  return (
    <p class="failed" role="alert">
      {what} could not be loaded: {of.message}
    </p>
  );
}

export interface Option {
  value: string;
  title: string;
}

interface SelectProps {
  label: string;
  name: string;
  options: readonly Option[];
  fallback: string;
  /** Whether the options are not loaded yet, so that a value may be one of them. */
  isLoading?: boolean;
  /** Whether the address may have other values than the options. */
  isOpen?: boolean;
}

/** A choice in the address. */
export function Select({ label, name, options, fallback, isLoading = false, isOpen = false }: SelectProps) {
  const value = useAddress().query.get(name) ?? fallback;
  const isKnown = options.some((option) => option.value === value);
  const isUnknown = !isKnown && !isLoading && !isOpen && value !== "";
  return (
    <label class="field">
      <span>{label}</span>
      <select value={value} aria-invalid={isUnknown || undefined} onChange={(event) => set({ [name]: unless(fallback, event.currentTarget.value) })}>
        {!isKnown && <option value={value}>{value}</option>}
        {options.map((option) => (
          <option key={option.value} value={option.value}>
            {option.title}
          </option>
        ))}
      </select>
      {isUnknown && <span class="unknown">unknown here: {value}</span>}
    </label>
  );
}

export function MetricSelect({ label, name, metrics, fallback, by = "column" }: { label: string; name: string; metrics: readonly Metric[]; fallback: string; by?: "column" | "metric" }) {
  const options = metrics.map((metric) => ({ value: metric[by] ?? metric.column, title: titleWithUnit(metric) }));
  return <Select label={label} name={name} options={options} fallback={fallback} />;
}

/** A link to usual axes of a chart. */
export function View({ title, x, y, usual }: { title: string; x: string; y: string; usual: { x: string; y: string } }) {
  const { path, query } = useAddress();
  const isPresent = (query.get("x") ?? usual.x) === x && (query.get("y") ?? usual.y) === y;
  return (
    <a href={href(path, changed(query, { x: unless(usual.x, x), y: unless(usual.y, y) }))} aria-current={isPresent ? "true" : undefined}>
      {title}
    </a>
  );
}

/** A switch in the address: `1`, or absent. */
export function Switch({ label, name, isOn = false }: { label: string; name: string; isOn?: boolean }) {
  const value = useAddress().query.get(name);
  const checked = value === "1" || (value !== "0" && isOn);
  return (
    <label class="switch">
      <input type="checkbox" checked={checked} onChange={(event) => set({ [name]: event.currentTarget.checked === isOn ? null : event.currentTarget.checked ? "1" : "0" })} />
      {label}
    </label>
  );
}

/** A text in the address, taken over when it is complete. */
export function TextField({ label, name, fallback = "", list, placeholder }: { label: string; name: string; fallback?: string; list?: string; placeholder?: string }) {
  const value = useAddress().query.get(name) ?? fallback;
  return (
    <label class="field">
      <span>{label}</span>
      <input type="text" name={name} value={value} list={list} placeholder={placeholder} onChange={(event) => set({ [name]: unless(fallback, event.currentTarget.value.trim()) })} />
    </label>
  );
}

export function Card({ title, value, note, tone }: { title: string; value: ComponentChildren; note?: ComponentChildren; tone?: string | undefined }) {
  return (
    <div class={`card ${tone ?? ""}`}>
      <div class="title">{title}</div>
      <div class="value">{value}</div>
      {note !== undefined && <div class="note">{note}</div>}
    </div>
  );
}

/** A text with a button that copies it. */
export function Copyable({ text, label }: { text: string; label: string }) {
  const [said, say] = useState("");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      say(`${label} copied`);
    } catch {
      // Browsers give the clipboard to pages of https and localhost alone.
      say("The browser does not allow copying: select the text");
    }
  };
  return (
    <div>
      <pre tabIndex={0} aria-label={label}>
        {text}
      </pre>
      <button type="button" onClick={() => void copy()}>
        Copy
      </button>{" "}
      <span role="status" class="muted">
        {said}
      </span>
    </div>
  );
}

export function Verdict({ verdict }: { verdict: string }) {
  const signs: Record<string, string> = { better: "▲", worse: "▼", same: "=", unsure: "?" };
  return (
    <span class={`verdict ${verdict}`}>
      {signs[verdict] ?? "•"} {verdict}
    </span>
  );
}
