/** What may explain a change of level: annotations such as entries of the changelog, the pull request and commits between the two runs. */
import { shortCommit } from "../format";
import type { Change } from "./Trends";

type Explained = Pick<Change, "annotations" | "good" | "bad" | "compare_url">;

export function Explanation({ change }: { change: Explained }) {
  const { annotations, good, bad, compare_url: compareUrl } = change;
  const isKnown = annotations.length > 0 || compareUrl || (good && bad && good.commit !== bad.commit);
  const added = imagesOf(bad?.images ?? [], good?.images ?? []);
  if (!isKnown) return <span class="muted">nothing known</span>;
  return (
    <>
      {annotations.map((note, index) => (
        <div key={index}>
          {note.link ? (
            <a href={note.link} target="_blank" rel="noreferrer">
              {note.text ?? note.link}
            </a>
          ) : (
            note.text
          )}
        </div>
      ))}
      {good && bad && good.commit !== bad.commit && (
        <div>
          {compareUrl ? (
            <a href={compareUrl} target="_blank" rel="noreferrer">
              commits {shortCommit(good.commit)} to {shortCommit(bad.commit)}
            </a>
          ) : (
            <>
              commits {shortCommit(good.commit)} to {shortCommit(bad.commit)}
            </>
          )}
          {added.length > 0 && `; new images: ${added.join(", ")}`}
        </div>
      )}
    </>
  );
}

/** Images that only the later run has. */
export function imagesOf(after: readonly string[], before: readonly string[]): string[] {
  return after.filter((image) => !before.includes(image));
}
