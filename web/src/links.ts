/** The address of a page elsewhere, if a text is one: other schemes are no links. */
export function webAddress(text: string | null | undefined): URL | null {
  if (!text || !/^https?:\/\//i.test(text)) return null;
  try {
    return new URL(text);
  } catch {
    return null;
  }
}
