import { SingleBar } from "cli-progress";
import { cutToWidth } from "../../plot/text.ts";
import { duration, paintFor } from "./text.ts";

const barWidth = 24;

/** Milliseconds between two lines where standard error is no terminal. */
const lineEvery = 10_000;

/**
 * One long piece of work on standard error: on a terminal a bar with the time left, else now and then a line, and one at
 * the end. Nothing is shown before the first update.
 */
export class ProgressLine {
  readonly #what: string;
  readonly #paint = paintFor(process.stderr);
  #bar: SingleBar | undefined;
  #started = 0;
  #first = 0;
  #share = 0;
  #detail = "";
  #percent = 0;
  #writtenAt = 0;

  constructor(what: string) {
    this.#what = what;
  }

  /** `share`: 0 to 1; where it begins has been done before. `detail` stands behind what it is. */
  update(share: number, detail = ""): void {
    if (this.#started === 0) {
      this.#started = performance.now();
      this.#first = share;
    }
    this.#share = share;
    this.#detail = detail && ` ${detail}`;
    if (process.stderr.isTTY) this.#bar ??= this.#drawn(share);
    this.#bar?.update(share);
    if (!this.#bar) this.#writeLine();
  }

  /** Takes the bar away; the next update brings it back. Safe to call twice. */
  readonly end = (): void => {
    this.#bar?.stop();
    this.#bar = undefined;
    process.off("exit", this.end);
  };

  /** A log is not to be filled: short work leaves one line. */
  #writeLine(): void {
    const percent = Math.floor(this.#share * 100);
    const now = performance.now();
    const isTime = now - Math.max(this.#writtenAt, this.#started) >= lineEvery;
    if (percent <= this.#percent || (percent < 100 && !isTime)) return;
    this.#percent = percent;
    this.#writtenAt = now;
    process.stderr.write(`${this.#what}: ${percent}%${this.#detail}\n`);
  }

  #drawn(share: number): SingleBar {
    const bar = new SingleBar({
      stream: process.stderr,
      format: () => this.#line(),
      clearOnComplete: true,
      hideCursor: true,
      gracefulExit: false,
    });
    bar.start(1, share);
    // Whatever ends the process, the terminal gets its cursor back.
    process.on("exit", this.end);
    return bar;
  }

  #line(): string {
    const { dim, cyan } = this.#paint;
    const percent = `${Math.floor(this.#share * 100)}%`.padStart(4);
    const full = Math.round(this.#share * barWidth);
    const elapsed = performance.now() - this.#started;
    const done = this.#share - this.#first;
    const left = done > 0 ? `  ${duration((elapsed * (1 - this.#share)) / done)} left` : "";
    const columns = (process.stderr.columns || 80) - 1;
    const rest = cutToWidth(`${left}  ${this.#what}${this.#detail}`, columns - percent.length - barWidth - 2);
    return `${percent}  ${cyan("━".repeat(full))}${dim("─".repeat(barWidth - full))}${rest}`;
  }
}
