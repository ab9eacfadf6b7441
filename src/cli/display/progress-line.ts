import { SingleBar } from "cli-progress";
import { paintFor } from "./paint.ts";
import { duration } from "./text.ts";

const barWidth = 24;

/**
 * One long piece of work on standard error: on a terminal a bar with the time left, else a line for every tenth.
 * Nothing is shown before the first update.
 */
export class ProgressLine {
  readonly #what: string;
  readonly #paint = paintFor(process.stderr);
  #bar: SingleBar | undefined;
  #started = 0;
  #share = 0;
  #tenths = 0;

  constructor(what: string) {
    this.#what = what;
  }

  /** `share`: 0 to 1. */
  update(share: number): void {
    if (this.#started === 0) this.#start();
    this.#share = share;
    this.#bar?.update(share);
    if (this.#bar || Math.floor(share * 10) <= this.#tenths) return;
    this.#tenths = Math.floor(share * 10);
    process.stderr.write(`${this.#what}: ${this.#tenths * 10}%\n`);
  }

  /** Takes the bar away. Safe to call twice. */
  end(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }

  #start(): void {
    this.#started = performance.now();
    if (!process.stderr.isTTY) return;
    this.#bar = new SingleBar({
      stream: process.stderr,
      format: () => this.#line(),
      clearOnComplete: true,
      hideCursor: true,
      gracefulExit: false,
    });
    this.#bar.start(1, 0);
  }

  #line(): string {
    const { dim, cyan } = this.#paint;
    const percent = `${Math.floor(this.#share * 100)}%`.padStart(4);
    const full = Math.round(this.#share * barWidth);
    const elapsed = performance.now() - this.#started;
    const left = this.#share > 0 ? `  ${duration((elapsed * (1 - this.#share)) / this.#share)} left` : "";
    const columns = (process.stderr.columns || 80) - 1;
    const rest = `${left}  ${this.#what}`.slice(0, Math.max(0, columns - percent.length - barWidth - 2));
    return `${percent}  ${cyan("━".repeat(full))}${dim("─".repeat(barWidth - full))}${rest}`;
  }
}
