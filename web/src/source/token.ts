/**
 * The token of a reader, for servers whose reads are closed and for writes. It is kept for the tab alone (`sessionStorage`), is sent to the page's own
 * origin alone, and is in no address.
 */
import { useEffect, useState } from "preact/hooks";

const KEY = "imax-token";
const listeners = new Set<() => void>();
let isRefused = false;
/** Where the browser keeps nothing, the token lasts as long as the page. */
let inMemory: string | null = null;

export function token(): string | null {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return inMemory;
  }
}

export function setToken(text: string | null): void {
  inMemory = text;
  try {
    if (text === null) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, text);
  } catch {
    // Storage is switched off; the memory has it.
  }
}

/** The header that shows the token. */
export function authorization(): Record<string, string> {
  const text = token();
  return text === null ? {} : { authorization: `Bearer ${text}` };
}

/** The server has answered 401. */
export function refused(): void {
  isRefused = true;
  for (const listener of listeners) listener();
}

/** Whether the server wants a token, or another one. */
export function useIsRefused(): boolean {
  const [value, update] = useState(isRefused);
  useEffect(() => {
    const listener = () => update(isRefused);
    listeners.add(listener);
    listener();
    return () => {
      listeners.delete(listener);
    };
  }, []);
  return value;
}
