/** The facets beside a page: every dimension with live counts. */
import { useMemo, useState } from "preact/hooks";
import { changed, current, go, href, set, useAddress } from "./address";
import type { Point } from "./api";
import type { Dimension } from "./dimensions";
import { type Choice, facet, type FacetValue, textOf } from "./selection";

/** Values of a facet that are shown at once. */
const SHOWN = 8;

interface Props {
  points: readonly Point[];
  choice: Choice;
  dimensions: readonly Dimension[];
  /** Dimensions of which one value is always chosen, with all values and the chosen one. */
  single?: { dimension: Dimension; values: readonly { value: string; count: number }[]; chosen: string };
}

export function Facets({ points, choice, dimensions, single }: Props) {
  const isRestricted = choice.size > 0;
  const { path, query } = useAddress();
  // Counting takes longer than all else of an interaction that leaves points and choice as they are.
  const values = useMemo(() => dimensions.map((dimension) => facet(points, choice, dimensions, dimension)), [points, textOf(choice), dimensions]);
  const none = Object.fromEntries(dimensions.map(({ key }) => [key, null]));
  return (
    <aside aria-label="Filters">
      <details class="facets" open={matchMedia("(min-width: 800px)").matches}>
        <summary>Filters{isRestricted ? ` (${choice.size})` : ""}</summary>
        {isRestricted && (
          <a class="clear" href={href(path, changed(query, none))}>
            Clear all
          </a>
        )}
        {!single && choice.size === 0 && values.every((found) => found.length < 2) && <p class="muted">All points have the same values.</p>}
        {single && (
          <fieldset>
            <legend>{single.dimension.title}</legend>
            <select
              aria-label={single.dimension.title}
              value={single.chosen}
              onChange={(event) => {
                const { path, query } = current();
                go(href(path, changed(query, { ...none, [single.dimension.key]: event.currentTarget.value })));
              }}
            >
              {!single.values.some(({ value }) => value === single.chosen) && <option value={single.chosen}>{single.chosen} (unknown)</option>}
              {single.values.map(({ value, count }) => (
                <option key={value} value={value}>
                  {value} ({count})
                </option>
              ))}
            </select>
            {single.values.length > 0 && !single.values.some(({ value }) => value === single.chosen) && <span class="unknown">no point is of {single.chosen}</span>}
          </fieldset>
        )}
        {dimensions.map((dimension, index) => (
          <Facet key={dimension.key} dimension={dimension} values={values[index] ?? []} chosen={choice.get(dimension.key) ?? new Set()} />
        ))}
      </details>
    </aside>
  );
}

function Facet({ dimension, values, chosen }: { dimension: Dimension; values: readonly FacetValue[]; chosen: ReadonlySet<string> }) {
  const [isWhole, showAll] = useState(false);
  if (values.length < 2 && chosen.size === 0) return null;
  const shown = isWhole ? values : values.filter(({ value }, index) => index < SHOWN || chosen.has(value));
  const toggle = (value: string) => {
    const next = new Set(chosen);
    if (!next.delete(value)) next.add(value);
    set({ [dimension.key]: next.size === 0 ? null : [...next].sort() });
  };
  return (
    <fieldset>
      <legend>{dimension.title}</legend>
      {shown.map(({ value, count, isKnown }) => (
        <label key={value} class={count === 0 ? "none" : undefined}>
          <input type="checkbox" checked={chosen.has(value)} disabled={count === 0 && !chosen.has(value)} onChange={() => toggle(value)} />
          <span class="value" title={value}>
            {value}
          </span>
          <span class={isKnown ? "count" : "count unknown"}>{isKnown ? count : "unknown"}</span>
        </label>
      ))}
      {shown.length < values.length && (
        <button type="button" class="more" onClick={() => showAll(true)}>
          {values.length - shown.length} more
        </button>
      )}
    </fieldset>
  );
}
