/** The frame of all pages. */
import { useEffect, useRef } from "preact/hooks";
import { AddressCheck } from "./AddressCheck";
import { go, onSameData, set, useAddress } from "./address";
import { minute } from "./format";
import { TokenForm } from "./TokenForm";
import { isElsewhere, PAGES } from "./pages/list";
import { Share } from "./Share";
import { DESCRIPTION, IS_SERVED } from "./source/source";

export function App() {
  const { path, query } = useAddress();
  const page = PAGES.find((known) => known.path === path);
  useEffect(() => {
    document.title = `${page?.title ?? "Not found"} · imax`;
  }, [page]);
  const nav = useRef<HTMLElement>(null);
  useEffect(() => {
    // On a phone the list of pages is wider than the screen.
    nav.current?.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  }, [path]);
  useEffect(() => {
    addEventListener("keydown", focusSearch);
    return () => removeEventListener("keydown", focusSearch);
  }, []);
  // An address keeps its models too when the page changes.
  const models = query.getAll("model").map((value) => ["model", value] as const);
  const Page = page?.component;
  const content = (
    <main id="main" tabIndex={-1}>
      <AddressCheck path={path} query={query} />
      {Page ? <Page key={path} /> : <NotFound path={path} />}
    </main>
  );
  // In a frame of another page, which has its own navigation.
  if (query.get("embed") === "1") {
    return (
      <div class="embedded">
        <TokenForm />
        {content}
      </div>
    );
  }
  return (
    <>
      <a class="skip" href="#main">
        Skip to content
      </a>
      <header>
        <a class="brand" href={onSameData("/", models)}>
          imax
        </a>
        <nav aria-label="Pages" ref={nav}>
          {PAGES.filter((known) => !known.isHidden).map((known) => (
            <a key={known.path} href={onSameData(known.path, models)} aria-current={known.path === path ? "page" : undefined}>
              {known.title}
            </a>
          ))}
        </nav>
        {IS_SERVED && (
          <a class="docs" href="/api/docs">
            API
          </a>
        )}
        <Share />
      </header>
      {(query.get("as_of") || query.get("branch")) && (
        <p class="pinned">
          {query.get("branch") && <span>Branch {query.get("branch")}. </span>}
          {query.get("as_of") && <span>State of {minute(query.get("as_of"))} UTC. </span>}
          <button type="button" onClick={() => set({ as_of: null, branch: null })}>
            Show the present of the main branch
          </button>
        </p>
      )}
      <TokenForm />
      {content}
      {DESCRIPTION.made && <footer class="muted">State of the history at {minute(DESCRIPTION.made)} UTC.</footer>}
    </>
  );
}

function NotFound({ path }: { path: string }) {
  return (
    <div class="content alone">
      <h1>Not found</h1>
      <p class="empty">
        There is no page {path}
        {isElsewhere(path) ? " in a report, which has one run: sites (imax publish --site) and imax serve have it" : ""}.
      </p>
    </div>
  );
}

/** `/` goes to the page's field for words; on pages without one it opens the search of all points. */
function focusSearch(event: KeyboardEvent): void {
  const isTyping = event.target instanceof HTMLElement && event.target.matches("input, select, textarea");
  if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  if (focusField()) return;
  go(onSameData("/details"));
  requestAnimationFrame(focusField);
}

function focusField(): boolean {
  const field = document.querySelector<HTMLInputElement>('main input[name="search"]');
  field?.focus();
  field?.select();
  return field !== null;
}
