/**
 * The address of the page is its whole state: readable, and only what differs from the default. Components read keys of it, and change it with
 * `go`; nothing else is remembered. Components write addresses as paths, such as `/trends?model=dsr1`; where no server answers to paths, they are
 * behind `#`, in the address bar and in links.
 */
import { options, type VNode } from "preact";
import { useEffect, useState } from "preact/hooks";
import { HAS_HASH_ADDRESSES, IS_SERVED } from "./source/source";

export interface Address {
  path: string;
  query: URLSearchParams;
}

/** New values of keys; `null` removes one. */
export type Change = Record<string, string | readonly string[] | null>;

const listeners = new Set<() => void>();

export function current(): Address {
  if (!HAS_HASH_ADDRESSES) return { path: location.pathname, query: new URLSearchParams(location.search) };
  const [path = "", query = ""] = location.hash.replace(/^#/, "").split("?", 2);
  // Reports of earlier versions had filters alone there, such as `#hardware=h200`.
  if (!path.startsWith("/")) return path.includes("=") ? { path: "/performance", query: new URLSearchParams(path) } : { path: "/", query: new URLSearchParams() };
  return { path, query: new URLSearchParams(query) };
}

/** What a link or the address bar has for a path of the pages. */
function located(target: string): string {
  return HAS_HASH_ADDRESSES ? `#${target}` : target;
}

/** Makes the links of all components lead to where the pages are. Addresses that only a server answers are links nowhere else. */
export function locateLinks(): void {
  if (!HAS_HASH_ADDRESSES) return;
  const before = options.vnode;
  options.vnode = (vnode: VNode) => {
    const props = vnode.props as { href?: unknown };
    if (vnode.type === "a" && typeof props.href === "string" && /^\/(?!\/)/.test(props.href)) {
      if (isServers(props.href)) delete props.href;
      else props.href = located(props.href);
    }
    before?.(vnode);
  };
}

/** Whether a path is answered by a server and by no page. */
function isServers(path: string): boolean {
  return ["/api/", "/plain", "/badge/", "/chart/"].some((start) => path.startsWith(start));
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

/** Keys that say which data all pages show. */
const DATA = ["branch", "as_of"];

/** The address of a page with the branch and the state of the history that are shown now. Pairs without a value are left out. */
export function onSameData(path: string, pairs: Iterable<readonly [string, string | null | undefined]> = []): string {
  const { query } = current();
  const next = new URLSearchParams();
  for (const [name, value] of [...pairs, ...DATA.map((key) => [key, query.get(key)] as const)]) if (value) next.append(name, value);
  return href(path, next);
}

/** Goes to another address of the dashboards. `replace` keeps the browser's history short while the user types. */
export function go(target: string, replace = false): void {
  if (replace) history.replaceState(null, "", located(target));
  else history.pushState(null, "", located(target));
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
    const address = link.getAttribute("href") ?? "";
    if (address.startsWith("#") && !address.startsWith("#/")) {
      // A place of this page; the fragment would be taken for another page's address.
      event.preventDefault();
      const place = document.getElementById(address.slice(1));
      place?.focus();
      place?.scrollIntoView();
      return;
    }
    const target = new URL((link as HTMLAnchorElement).href, location.href);
    if (IS_SERVED ? target.origin !== location.origin || isServers(target.pathname) : !address.startsWith("#/")) return;
    event.preventDefault();
    if (target.href === location.href) return;
    go(IS_SERVED ? target.pathname + target.search : address.slice(1));
    scrollTo(0, 0);
  });
}
