import type { WriteStream } from "node:tty";

/** Styles a piece of text, or leaves it as it is. */
type Style = (text: string) => string;

export interface Paint {
  readonly bold: Style;
  readonly dim: Style;
  readonly green: Style;
  readonly yellow: Style;
  readonly cyan: Style;
  readonly red: Style;
}

const style =
  (on: boolean, open: number, close: number): Style =>
  (text) =>
    on ? `\x1b[${open}m${text}\x1b[${close}m` : text;

/** Colours where the stream shows them: a terminal, and neither NO_COLOR nor a dumb terminal says otherwise. */
export function paintFor(stream: NodeJS.WriteStream | WriteStream): Paint {
  const on = stream.isTTY === true && stream.hasColors();
  return {
    bold: style(on, 1, 22),
    dim: style(on, 2, 22),
    green: style(on, 32, 39),
    yellow: style(on, 33, 39),
    cyan: style(on, 36, 39),
    red: style(on, 31, 39),
  };
}
