/** The beginning and the end of the engine's log. Its text is hostile: it stays text, without links, and control characters are shown as symbols. */
import { count } from "../format";

export interface LogExcerpt {
  name: string;
  bytes: number;
  head: string;
  tail?: string;
}

export function EngineLog({ log, job }: { log: LogExcerpt; job: string }) {
  const { name, bytes, head, tail } = log;
  return (
    <details class="log" open>
      <summary>
        {name}: {tail === undefined ? "all" : "the first and the last lines"} of {count(bytes, "byte")}
      </summary>
      <pre tabIndex={0} role="region" aria-label={`Log ${name} of job ${job}`}>
        {visible(head)}
        {tail !== undefined && (
          <>
            {"\n"}
            <span class="muted">… lines left out …</span>
            {"\n"}
            {visible(tail)}
          </>
        )}
      </pre>
    </details>
  );
}

/** Characters that are not seen, but lines and tabs: controls, and those that hide text or turn its direction. */
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g;

/** Controls as their pictures in Unicode (U+2400 and on). */
function visible(text: string): string {
  return text.replace(UNSEEN, (character) => {
    const code = character.charCodeAt(0);
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    return code === 0x7f ? "\u2421" : "\ufffd";
  });
}
