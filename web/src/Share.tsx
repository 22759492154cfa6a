/** Links to what is shown. The address is the state, so a link is the address; of a server's history it can be pinned to the present state. */
import { useState } from "preact/hooks";
import { changed, current, href, useAddress } from "./address";
import { IS_SERVED } from "./source/source";

/** The address with the data of this moment, whatever is added or corrected later. */
function pinnedLink(now: Date): string {
  const { path, query } = current();
  const state = query.get("as_of") ?? `${now.toISOString().slice(0, 19)}Z`;
  return location.origin + href(path, changed(query, { as_of: state }));
}

export function Share() {
  const [said, say] = useState("");
  useAddress();
  const copy = async (link: string, what: string) => {
    try {
      await navigator.clipboard.writeText(link);
      say(`${what} copied`);
    } catch {
      // Browsers give the clipboard to pages of https and localhost alone.
      say(link);
    }
  };
  return (
    <div class="share">
      <button type="button" onClick={() => void copy(location.href, "Link")}>
        Copy link
      </button>
      {IS_SERVED && (
        <button type="button" title="The link shows the data of this moment, whatever is added or corrected later" onClick={() => void copy(pinnedLink(new Date()), "Pinned link")}>
          Pin data
        </button>
      )}
      <span role="status" class="muted">
        {said}
      </span>
    </div>
  );
}
