/**
 * What an address has that its page does not know. `address_keys.json` names all keys of all pages with the kinds of their values;
 * `tests/serving/addresses.rs` opens each of them. Values of the kinds `choice`, `facet` and `order` depend on the data: the parts of the page that
 * read them say what they do not know.
 */
import keys from "./address_keys.json";
import { DIMENSIONS } from "./dimensions";
import { metricOf } from "./metrics";
import { Warnings } from "./parts";

type Kind = "text" | "number" | "switch" | "time" | "dimensions" | "metrics" | "choice" | "facet" | "order";

const KEYS = keys as Record<string, Record<string, Kind>>;

/** What is expected of a value; `null` where it is that. */
function expected(kind: Kind, value: string): string | null {
  switch (kind) {
    case "number":
      return Number(value) > 0 && Number.isFinite(Number(value)) ? null : "a number above 0";
    case "switch":
      return value === "0" || value === "1" ? null : "0 or 1";
    case "time":
      return Number.isNaN(Date.parse(value)) ? "a time such as 2026-11-01T00:00:00Z" : null;
    case "dimensions":
      return unknown(value.split(/[+ ]/), (name) => DIMENSIONS.some(({ key }) => key === name), `names among ${DIMENSIONS.map(({ key }) => key).join(", ")}`);
    case "metrics":
      return unknown(value.split(","), (name) => metricOf(name) !== undefined, "columns of numbers");
    case "text":
    case "choice":
    case "facet":
    case "order":
      return null;
  }
}

function unknown(names: readonly string[], isKnown: (name: string) => boolean, what: string): string | null {
  const wrong = names.filter((name) => !isKnown(name));
  return wrong.length === 0 ? null : `${what}, not ${wrong.join(", ")}`;
}

/** The longest value that is repeated. */
const LONGEST = 80;

function problems(path: string, query: URLSearchParams): string[] {
  const known = { ...KEYS["everywhere"], ...KEYS[path] };
  return [...query].flatMap(([key, value]) => {
    const kind = known[key];
    if (kind === undefined) return [`This page has no use for ${key.slice(0, LONGEST)} of the address.`];
    if (value === "") return [];
    const wanted = expected(kind, value);
    return wanted === null ? [] : [`${key}=${value.slice(0, LONGEST)} of the address is ignored: expected ${wanted}.`];
  });
}

export function AddressCheck({ path, query }: { path: string; query: URLSearchParams }) {
  if (!(path in KEYS)) return null;
  const texts = [...new Set(problems(path, query))];
  return texts.length === 0 ? null : (
    <div class="content alone check" role="status">
      <Warnings texts={texts} />
    </div>
  );
}
