/**
 * A token's bytes as text. A token may begin or end inside a character: such bytes stand as \xE2, where a decoder would
 * put the same U+FFFD for each.
 */
export function tokenText(bytes: Uint8Array): string {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let text = "";
  for (let at = 0; at < bytes.length; ) {
    const length = characterLength(bytes[at]);
    try {
      text += decoder.decode(bytes.subarray(at, at + length));
      at += length;
    } catch {
      text += `\\x${bytes[at].toString(16).toUpperCase().padStart(2, "0")}`;
      at++;
    }
  }
  return text;
}

/** How many bytes a UTF-8 character has that begins with this one. */
function characterLength(first: number): number {
  return first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}
