import { SingleBar } from "cli-progress";
import type { DoneEvent, SampleEvent, StepEvent, TrainEvent, ValEvent } from "../../train/events.ts";
import { barLine } from "./bar-line.ts";
import { lossChart, type Point } from "./chart.ts";
import type { RunStart, TrainDisplay } from "./display.ts";
import { paintFor } from "./paint.ts";
import { duration, grouped, sampleText, short, wrap } from "./text.ts";

const defaultColumns = 80;
const chartHeight = 10;
/** How much of the smoothed loss and pace each update leaves: about the last twenty count. */
const memory = 0.95;

/** For people: a live line with everything that changes, and above it what stays. */
export class TerminalDisplay implements TrainDisplay {
  readonly #out = process.stdout;
  readonly #paint = paintFor(process.stdout);
  readonly #bar: SingleBar;
  readonly #train: Point[] = [];
  readonly #val: Point[] = [];
  readonly #losses = new Smoothed();
  readonly #speed = new Smoothed();
  /** Wall time of an update, what happens between updates included. */
  readonly #pace = new Smoothed();
  #run: RunStart | undefined;
  #what: { text: string; share: number } | undefined;
  #step = 0;
  #steps = 0;
  #lastStepAt = 0;
  #saved: string | undefined;
  #running = false;

  constructor() {
    this.#bar = new SingleBar({
      stream: process.stderr,
      format: () => this.#line(),
      clearOnComplete: true,
      hideCursor: true,
      // The command ends a run itself on Ctrl-C.
      gracefulExit: false,
    });
  }

  remark(text: string): void {
    this.#print(`  ${this.#paint.dim(text)}`);
  }

  progress(text: string, share: number): void {
    this.#what = { text, share };
    if (!this.#running) this.#show();
    else this.#bar.update(share);
  }

  start(run: RunStart): void {
    this.#run = run;
    this.#steps = run.steps;
    this.#what = undefined;
    this.#lastStepAt = performance.now();
    const { config, parameters, B, T } = run;
    const sizes = `${config.L} layers, ${config.NH} heads, ${config.C} channels, ${grouped(config.V)} tokens`;
    this.#print("");
    this.#print(`  ${this.#paint.bold(run.model)}  ${short(parameters)} parameters ${this.#paint.dim(`(${sizes})`)}`);
    this.#print(`  ${this.#paint.dim("data")}    ${run.data}`);
    this.#print(`  ${this.#paint.dim("run")}     ${grouped(run.steps)} updates of ${B} x ${T} tokens`);
    this.#print(`  ${this.#paint.dim("on")}      ${run.device}`);
    if (run.folder) this.#print(`  ${this.#paint.dim("into")}    ${run.folder}`);
    this.#print("");
    this.#show();
  }

  event(event: TrainEvent): void {
    if (event.type === "step") this.#updated(event);
    else if (event.type === "val") this.#validated(event);
    else if (event.type === "sample") this.#sampled(event);
    else if (event.type === "checkpoint") this.#saved = event.path;
    else this.#finished(event);
  }

  end(next: readonly string[] = []): void {
    this.#hide();
    if (next.length === 0) return;
    this.#print("");
    for (const line of next) this.#print(`  ${line}`);
    this.#print("");
  }

  #updated({ step, loss, tokensPerSecond }: StepEvent): void {
    const now = performance.now();
    this.#pace.add(now - this.#lastStepAt);
    this.#lastStepAt = now;
    this.#step = step + 1;
    this.#train.push({ step, loss });
    this.#losses.add(loss);
    this.#speed.add(tokensPerSecond);
    this.#bar.update(this.#step);
  }

  #validated({ step, loss }: ValEvent): void {
    const before = this.#val.at(-1)?.loss;
    this.#val.push({ step, loss });
    const { bold, dim, green, yellow } = this.#paint;
    const width = grouped(this.#steps).length;
    const parts = [`  ${dim("step")} ${grouped(step).padStart(width)}`, `${dim("val loss")} ${bold(loss.toFixed(4))}`];
    if (this.#losses.value !== undefined) parts.push(`${dim("train")} ${this.#losses.value.toFixed(4)}`);
    if (before !== undefined && before !== loss) {
      const change = Math.abs(before - loss).toFixed(4);
      parts.push(before > loss ? green(`▼ ${change}`) : yellow(`▲ ${change}`));
    }
    this.#print(parts.join("   "));
  }

  #sampled(event: SampleEvent): void {
    const { dim } = this.#paint;
    this.#print(`  ${dim(`sample after ${grouped(event.step)} updates`)}`);
    for (const line of wrap(sampleText(event).trimEnd(), Math.max(20, this.#columns - 6)))
      this.#print(`  ${dim("│")} ${line}`);
  }

  #finished({ step, ms, interrupted, valLoss }: DoneEvent): void {
    this.#hide();
    const paint = this.#paint;
    const width = this.#columns - 1;
    const chart = lossChart({ train: this.#train, val: this.#val, width, height: chartHeight, paint });
    if (chart !== "") this.#print(`\n${chart}`);
    const verdict = interrupted ? paint.yellow("interrupted") : paint.green("done");
    const tokens = this.#run ? this.#run.B * this.#run.T * this.#train.length : 0;
    const parts = [`${verdict} after ${grouped(step)} updates in ${duration(ms)}`];
    if (tokens > 0) parts.push(`${short((1000 * tokens) / ms)} tokens a second`);
    if (valLoss !== undefined && !interrupted) parts.push(`validation loss ${paint.bold(valLoss.toFixed(4))}`);
    this.#print(`\n  ${parts.join(", ")}`);
    if (this.#saved) this.#print(`  the model is in ${paint.bold(this.#saved)}`);
  }

  get #columns(): number {
    return this.#out.columns || defaultColumns;
  }

  #line(): string {
    if (this.#what) {
      const { text, share } = this.#what;
      return `${String(Math.floor(share * 100)).padStart(3)}%  ${text}`.slice(0, this.#columns - 1);
    }
    const sinceStep = performance.now() - this.#lastStepAt;
    const pace = this.#pace.value;
    const progress = {
      step: this.#step,
      steps: this.#steps,
      loss: this.#losses.value,
      valLoss: this.#val.at(-1)?.loss,
      tokensPerSecond: this.#speed.value,
      left: pace === undefined ? undefined : Math.max(0, (this.#steps - this.#step) * pace - Math.min(sinceStep, pace)),
    };
    return barLine(progress, this.#columns - 1, this.#paint);
  }

  /** A line above the bar. The bar goes away and comes back, so that nothing scrolls while it is there. */
  #print(line: string): void {
    const shown = this.#running;
    this.#hide();
    this.#out.write(`${line}\n`);
    if (shown) this.#show();
  }

  #show(): void {
    this.#running = true;
    this.#bar.start(this.#steps, this.#step);
  }

  #hide(): void {
    if (!this.#running) return;
    this.#running = false;
    this.#bar.stop();
  }
}

/** A running mean of the last values, right from the first. */
class Smoothed {
  #sum = 0;
  #weight = 0;

  get value(): number | undefined {
    return this.#weight > 0 ? this.#sum / this.#weight : undefined;
  }

  add(value: number): void {
    this.#sum = memory * this.#sum + (1 - memory) * value;
    this.#weight = memory * this.#weight + (1 - memory);
  }
}
