import { BoundedPoints, MovingAverage } from "../../plot/points.ts";
import { cutToWidth, textWidth } from "../../plot/text.ts";
import type { DoneEvent, SampleEvent, StepEvent, TrainEvent, ValEvent } from "../../train/events.ts";
import { unlimitedSteps } from "../../train/settings.ts";
import { asStarted } from "../suggest.ts";
import { chart } from "./chart.ts";
import { LiveLines } from "./live-lines.ts";
import { statusLines } from "./status-lines.ts";
import { duration, grouped, memoryText, paintFor, sampleText, short, wrap } from "./text.ts";
import { TimeLeft } from "./time-left.ts";
import type { RunStart, TrainDisplay } from "./train-display.ts";

const chartHeight = 10;
/** Points that are kept of a run for its chart, however long it is. */
const chartPoints = 2048;
/** Of a terminal with fewer rows than this, the live lines take but one. */
const fewRows = 8;
/** Decay of the moving averages of loss and speed: about the last twenty updates count. */
const decay = 0.95;

/** For people: live lines with everything that changes, and above them what stays. */
export class TerminalDisplay implements TrainDisplay {
  readonly #paint = paintFor(process.stdout);
  readonly #live = new LiveLines((columns, rows) => this.#lines(columns, rows));
  readonly #train = new BoundedPoints(chartPoints);
  readonly #val = new BoundedPoints(chartPoints);
  readonly #losses = new MovingAverage(decay);
  readonly #speed = new MovingAverage(decay);
  #run: RunStart | undefined;
  #timeLeft: TimeLeft | undefined;
  #what: { text: string; share: number } | undefined;
  #hint: string | undefined = "Ctrl-C: end here";
  #step = 0;
  #tokens = 0;
  #skipped = 0;
  #lastStep: StepEvent | undefined;
  #valLoss: number | undefined;
  #bestValLoss: number | undefined;
  #startedAt = 0;
  #lastEventAt = 0;
  #saved: string | undefined;

  readonly remark = (text: string): void => this.#live.print(this.#wrapped(this.#paint.dim(asStarted(text))));

  progress(text: string, share: number): void {
    this.#what = { text, share };
    this.#live.show();
  }

  start(run: RunStart): void {
    this.#run = run;
    this.#timeLeft = new TimeLeft(run);
    this.#what = undefined;
    if (run.folder) this.#hint = "Ctrl-C: save and end";
    this.#startedAt = performance.now();
    this.#lastEventAt = this.#startedAt;
    const { bold, dim } = this.#paint;
    const { config, parameters, B, T } = run;
    const sizes = `${config.L} layers, ${config.NH} heads, ${config.C} channels, ${grouped(config.V)} tokens`;
    const lines = [
      "",
      `${bold(run.model)}  ${short(parameters)} parameters ${dim(`(${sizes})`)}`,
      `${dim("data")}    ${run.data}`,
      `${dim("run")}     ${plannedOf(run)} of ${run.accumulate > 1 ? `${run.accumulate} x ` : ""}${B} x ${T} tokens`,
      `${dim("on")}      ${run.device}`,
      `${dim("memory")}  ${memoryText(run.memory)}`,
      ...(run.folder ? [`${dim("into")}    ${run.folder}`] : []),
      "",
    ];
    this.#live.print(lines.map((line) => this.#wrapped(line, 8)).join("\n"));
    this.#live.show();
  }

  event(event: TrainEvent): void {
    const now = performance.now();
    this.#timeLeft?.add(event, now - this.#lastEventAt);
    this.#lastEventAt = now;
    if (event.type === "step") this.#updated(event);
    else if (event.type === "val") this.#validated(event);
    else if (event.type === "sample") this.#sampled(event);
    else if (event.type === "checkpoint") this.#saved = event.path;
    else this.#finished(event);
  }

  end(next: readonly string[] = []): void {
    this.#live.hide();
    if (next.length > 0) this.#live.print(["", ...next.map((line) => this.#advice(line)), ""].join("\n"));
  }

  #updated(event: StepEvent): void {
    const { step, loss, tokensPerSecond, ms } = event;
    this.#lastStep = event;
    this.#step = step + 1;
    this.#tokens += (tokensPerSecond * ms) / 1000;
    this.#train.add({ step, value: loss });
    this.#losses.add(loss);
    this.#speed.add(tokensPerSecond);
    if (event.skipped !== undefined) this.#skipped++;
  }

  #validated({ step, loss, bitsPerByte }: ValEvent): void {
    const before = this.#valLoss;
    this.#step = step;
    this.#valLoss = loss;
    this.#bestValLoss = Math.min(loss, this.#bestValLoss ?? loss);
    this.#val.add({ step, value: loss });
    const { bold, dim, green, yellow } = this.#paint;
    const width = grouped(this.#planned ?? 0).length;
    const parts = [`  ${dim("step")} ${grouped(step).padStart(width)}`, `${dim("val loss")} ${bold(loss.toFixed(4))}`];
    if (this.#losses.value !== undefined) parts.push(`${dim("train")} ${this.#losses.value.toFixed(4)}`);
    if (before !== undefined && before !== loss) {
      const change = Math.abs(before - loss).toFixed(4);
      parts.push(before > loss ? green(`▼ ${change}`) : yellow(`▲ ${change}`));
    }
    if (bitsPerByte !== undefined) parts.push(`${dim("bits per byte")} ${bitsPerByte.toFixed(4)}`);
    // Where the terminal is narrow, the least important parts are left out.
    while (parts.length > 2 && textWidth(parts.join("   ")) > this.#live.columns) parts.pop();
    this.#live.print(parts.join("   "));
  }

  #sampled(event: SampleEvent): void {
    const { dim } = this.#paint;
    const lines = wrap(sampleText(event).trimEnd(), Math.max(20, this.#live.columns - 5));
    this.#live.print(
      [`  ${dim(`sample after ${grouped(event.step)} updates`)}`, ...lines.map((line) => `  ${dim("│")} ${line}`)].join(
        "\n",
      ),
    );
  }

  #finished(event: DoneEvent): void {
    const { step, ms: msOfAll, interrupted, stopped, valLoss, bitsPerByte, bestValLoss, bestStep, skipped } = event;
    this.#live.hide();
    const paint = this.#paint;
    const drawing = chart({
      curves: [{ label: "training loss, smoothed", points: this.#train.points, style: paint.cyan }],
      marks: [{ label: "validation loss", points: this.#val.points, style: paint.yellow }],
      steps: step,
      width: this.#live.columns,
      height: chartHeight,
    });
    if (drawing !== "") this.#live.print(`\n${drawing}`);
    const verdict = interrupted ? paint.yellow("interrupted") : paint.green(stopped ? "stopped early" : "done");
    const perByte = bitsPerByte === undefined ? "" : ` (${bitsPerByte.toFixed(4)} bits per byte)`;
    const parts = [`${verdict} after ${grouped(step)} updates in ${duration(msOfAll)}`];
    const ms = this.#lastEventAt - this.#startedAt;
    if (this.#tokens > 0) parts.push(`${short((1000 * this.#tokens) / ms)} tokens a second`);
    if (valLoss !== undefined && !interrupted)
      parts.push(`validation loss ${paint.bold(valLoss.toFixed(4))}${perByte}`);
    if (bestValLoss !== undefined && bestStep !== undefined && bestValLoss !== valLoss)
      parts.push(`best ${bestValLoss.toFixed(4)} after ${grouped(bestStep)}`);
    if (skipped > 0) parts.push(`${grouped(skipped)} skipped`);
    this.#live.print(`\n${this.#wrapped(parts.join(", "))}`);
    if (this.#saved) this.#live.print(`  the model is in ${paint.bold(this.#saved)}`);
  }

  /** Updates to make; undefined: as many as the time allows. */
  get #planned(): number | undefined {
    const steps = this.#run?.steps ?? 0;
    return steps === unlimitedSteps ? undefined : steps;
  }

  /** The share of a time budget that has passed. */
  #shareOfTime(left: number | undefined): number | undefined {
    const { minutes } = this.#run ?? {};
    return minutes === undefined || left === undefined ? undefined : Math.max(0, 1 - left / (minutes * 60_000));
  }

  /** A command stays in one line, so that it can be copied. */
  #advice(line: string): string {
    return line.startsWith(" ") ? `  ${line}` : this.#wrapped(line);
  }

  /** A text with a margin, in lines that fit the terminal; those after the first are indented by `hang` more. */
  #wrapped(text: string, hang = 0): string {
    const lines = wrap(text, Math.max(20, this.#live.columns - 2 - hang));
    return lines.map((line, at) => `  ${at > 0 ? " ".repeat(hang) : ""}${line}`.trimEnd()).join("\n");
  }

  #lines(columns: number, rows: number): string[] {
    if (this.#what) {
      const { text, share } = this.#what;
      return [cutToWidth(`${String(Math.floor(share * 100)).padStart(3)}%  ${text}`, columns)];
    }
    const left = this.#timeLeft?.left(performance.now() - this.#lastEventAt);
    const progress = {
      step: this.#step,
      steps: this.#planned,
      share: this.#shareOfTime(left),
      loss: this.#losses.value,
      lastLoss: this.#lastStep?.loss,
      valLoss: this.#valLoss,
      bestValLoss: this.#bestValLoss,
      tokensPerSecond: this.#speed.value,
      norm: this.#lastStep?.norm,
      learningRate: this.#lastStep?.learningRate,
      skipped: this.#skipped,
      left,
      hint: this.#hint,
    };
    const lines = statusLines(progress, columns, this.#paint);
    return rows < fewRows ? lines.slice(0, 1) : ["", ...lines];
  }
}

/** "2,000 updates", "20 minutes of updates" */
function plannedOf({ steps, minutes, budget = 0 }: RunStart): string {
  const updates = steps === unlimitedSteps ? "updates" : `${grouped(steps)} updates`;
  if (minutes === undefined) return updates;
  const isWhole = Math.abs(budget - minutes * 60_000) < 1000;
  return `${minutes} minutes${isWhole ? "" : ` (${duration(budget)} left)`}, ${steps === unlimitedSteps ? "" : "at most "}${updates}`;
}
