/**
 * The address of the page is its whole state: readable, and only what differs from the default. Components read keys of it, and change it with
 * `go`; nothing else is remembered.
 */
import { useEffect, useState } from "preact/hooks";

export interface Address {
  path: string;
  query: URLSearchParams;
}

/** New values of keys; `null` removes one. */
export type Change = Record<string, string | readonly string[] | null>;

const listeners = new Set<() => void>();

export function current(): Address {
  return { path: location.pathname, query: new URLSearchParams(location.search) };
}

/** The address of a path with a query, with readable characters left as they are. */
export function href(path: string, query: URLSearchParams): string {
  const text = query.toString().replaceAll("%2F", "/").replaceAll("%3A", ":").replaceAll("%2C", ",");
  return text === "" ? path : `${path}?${text}`;
}

export function changed(query: URLSearchParams, change: Change): URLSearchParams {
  const next = new URLSearchParams(query);
  for (const [key, value] of Object.entries(change)) {
    next.delete(key);
    if (typeof value === "string") next.append(key, value);
    else if (value !== null) for (const one of value) next.append(key, one);
  }
  return next;
}

/** Goes to another address of the dashboards. `replace` keeps the browser's history short while somebody types. */
export function go(target: string, replace = false): void {
  if (replace) history.replaceState(null, "", target);
  else history.pushState(null, "", target);
  for (const listener of listeners) listener();
}

/** Changes keys of the present address; a value that is the default leaves the address. */
export function set(change: Change, replace = false): void {
  const { path, query } = current();
  go(href(path, changed(query, change)), replace);
}

/** `value`, or `null` where it is the default: for `set`. */
export function unless(fallback: string, value: string): string | null {
  return value === fallback ? null : value;
}

/** The present address; the component is drawn again when it changes. */
export function useAddress(): Address {
  const [address, update] = useState(current);
  useEffect(() => {
    const listener = () => update(current());
    listeners.add(listener);
    addEventListener("popstate", listener);
    return () => {
      listeners.delete(listener);
      removeEventListener("popstate", listener);
    };
  }, []);
  return address;
}

/** Follows links to other pages of the dashboards without loading the document again. */
export function followLinks(): void {
  document.addEventListener("click", (event) => {
    const link = (event.target as Element | null)?.closest?.("a");
    const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
    if (!link || !plain || event.defaultPrevented || link.hasAttribute("download") || link.target) return;
    const target = new URL((link as HTMLAnchorElement).href, location.href);
    if (target.origin !== location.origin || target.pathname.startsWith("/api/") || target.pathname.startsWith("/plain")) return;
    event.preventDefault();
    if (target.href === location.href) return;
    go(target.pathname + target.search);
    scrollTo(0, 0);
  });
}
