/** Asks for a token where the server wants one. */
import { setToken, token, useIsRefused } from "./source/token";

export function TokenForm() {
  if (!useIsRefused()) return null;
  return (
    <section class="token" aria-label="Token" role="alert">
      {token() === null ? "This server shows its results to readers with a token." : "The server does not accept the token: it is unknown, revoked or expired."} It stays in this tab until it is closed, and is in no address.
      <TokenInput />
    </section>
  );
}

/** A field for a token; the page is loaded again with it. */
export function TokenInput({ onSaved = () => location.reload() }: { onSaved?: () => void }) {
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        const field = event.currentTarget.elements.namedItem("token");
        const text = field instanceof HTMLInputElement ? field.value.trim() : "";
        setToken(text === "" ? null : text);
        onSaved();
      }}
    >
      <label class="field">
        <span>Token (imax token create)</span>
        <input type="password" name="token" autocomplete="off" required placeholder="imax_…" />
      </label>
      <button type="submit">Use token</button>
    </form>
  );
}
