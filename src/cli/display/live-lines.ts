import { textWidth } from "../../plot/text.ts";

const defaultSize = { columns: 80, rows: 24 };
/** Milliseconds between two drawings. */
const refresh = 120;

/** Control sequences of ECMA-48. */
const ansi = {
  hideCursor: "\x1b[?25l",
  showCursor: "\x1b[?25h",
  up: (lines: number) => (lines > 0 ? `\x1b[${lines}A` : ""),
  clearLine: "\x1b[K",
  clearBelow: "\x1b[J",
};

/**
 * A few lines at the bottom of the terminal (standard error) that are redrawn periodically, while permanent text
 * is printed above them. They follow the terminal's size, and cost nothing while nothing changes.
 */
export class LiveLines {
  readonly #render: (columns: number, rows: number) => string[];
  readonly #out = process.stderr;
  #drawn: string[] = [];
  #timer: NodeJS.Timeout | undefined;

  /** `render` gives lines of at most `columns` columns, see `textWidth`. */
  constructor(render: (columns: number, rows: number) => string[]) {
    this.#render = render;
  }

  /** Characters that a line may have: one less than the terminal's, so that none wraps. */
  get columns(): number {
    return (this.#out.columns || defaultSize.columns) - 1;
  }

  show(): void {
    if (this.#timer) return;
    this.#timer = setInterval(this.#draw, refresh);
    this.#timer.unref();
    this.#out.on("resize", this.#draw);
    process.on("SIGCONT", this.#drawAgain);
    this.#out.write(ansi.hideCursor);
    this.#draw();
  }

  /** Takes the lines away, and gives the cursor back. Safe to call twice. */
  hide(): void {
    if (!this.#timer) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#out.off("resize", this.#draw);
    process.off("SIGCONT", this.#drawAgain);
    this.#out.write(this.#toTop() + ansi.clearBelow + ansi.showCursor);
    this.#drawn = [];
  }

  /** Writes text that stays, above the lines: the way for everything while they are shown. */
  print(text: string): void {
    if (this.#timer) this.#out.write(this.#toTop() + ansi.clearBelow);
    this.#drawn = [];
    process.stdout.write(`${text}\n`);
    if (this.#timer) this.#draw();
  }

  readonly #draw = (): void => {
    const lines = this.#render(this.columns, this.#out.rows || defaultSize.rows);
    if (lines.join("\n") === this.#drawn.join("\n")) return;
    const text = lines.map((line) => line + ansi.clearLine).join("\n");
    this.#out.write(this.#toTop() + text + ansi.clearBelow);
    this.#drawn = lines;
  };

  /** The shell wrote below the lines while the program was stopped (Ctrl-Z): they are redrawn there. */
  readonly #drawAgain = (): void => {
    this.#drawn = [];
    this.#out.write(ansi.hideCursor);
    this.#draw();
  };

  /** Moves the cursor to where the lines begin. A terminal made narrower has wrapped those that were longer. */
  #toTop(): string {
    const width = this.columns + 1;
    const rows = this.#drawn.map((line) => Math.max(1, Math.ceil(textWidth(line) / width)));
    return `\r${ansi.up(rows.reduce((sum, count) => sum + count, 0) - 1)}`;
  }
}
