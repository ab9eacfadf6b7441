/** Replaces invisible characters by visible ones: spaces by ·, line ends by ⏎. */
export function visible(text: string): string {
  if (text === "") return "∅";
  return text
    .replaceAll(" ", "·")
    .replaceAll("\n", "⏎")
    .replaceAll("\t", "⇥")
    .replace(/\p{Cc}/gu, (control) => String.fromCodePoint(controlPicture(control.charCodeAt(0))));
}

/** Unicode's control picture; C1 controls have none, and get the replacement character. */
function controlPicture(code: number): number {
  return code < 0x20 ? 0x2400 + code : code === 0x7f ? 0x2421 : 0xfffd;
}
