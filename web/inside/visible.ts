/** Tokens as text that can be seen: spaces as ·, line ends as ⏎. */
export function visible(text: string): string {
  if (text === "") return "∅";
  return text
    .replaceAll(" ", "·")
    .replaceAll("\n", "⏎")
    .replaceAll("\t", "⇥")
    .replace(/\p{Cc}/gu, (control) => String.fromCodePoint(controlPicture(control.charCodeAt(0))));
}

/** Unicode has a picture of each of the old control characters; the newer ones share the replacement character. */
function controlPicture(code: number): number {
  return code < 0x20 ? 0x2400 + code : code === 0x7f ? 0x2421 : 0xfffd;
}
