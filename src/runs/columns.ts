/**
 * A run's log as arrays of numbers, one for each quantity: what a page draws. A log of 100,000 updates is 15 MB of text
 * and 2 MB of these, which travel as one ArrayBuffer.
 */
import { platform } from "#platform";
import { InputError } from "../errors.ts";
import { LineCutter, parseLine } from "./log.ts";
import { logPath } from "./read-run.ts";
import { readRunConfig } from "./run-config.ts";

/** The updates of a run, in arrays of one length, and its validations likewise. NaN stands for what is not there. */
export interface RunColumns {
  readonly step: Int32Array;
  readonly loss: Float32Array;
  readonly learningRate: Float32Array;
  readonly norm: Float32Array;
  readonly tokensPerSecond: Float32Array;
  readonly valStep: Int32Array;
  readonly valLoss: Float32Array;
  /** The bytes of the log up to the end of the last whole line that was read. */
  readonly end: number;
  /** Lines that could not be read. */
  readonly broken: number;
}

/** A text that the model wrote after `step` updates. */
export interface RunSample {
  readonly step: number;
  readonly text: string;
}

/** Whole lines of a log, and which of its bytes they are, line ends included. */
export interface LogPiece {
  readonly from: number;
  readonly to: number;
  readonly lines: readonly string[];
}

const noColumns: RunColumns = {
  step: new Int32Array(),
  loss: new Float32Array(),
  learningRate: new Float32Array(),
  norm: new Float32Array(),
  tokensPerSecond: new Float32Array(),
  valStep: new Int32Array(),
  valLoss: new Float32Array(),
  end: 0,
  broken: 0,
};

const encoder = new TextEncoder();

/** Columns that grow with the log. */
export class GrowingColumns {
  readonly #updates: Rows;
  readonly #validations: Rows;
  readonly #samples: RunSample[] = [];
  #end: number;
  #broken: number;

  /** Continues `columns`, and takes over their arrays. Their samples are not included. */
  constructor(columns = noColumns) {
    const { step, loss, learningRate, norm, tokensPerSecond, valStep, valLoss, end, broken } = columns;
    this.#updates = new Rows(step, [loss, learningRate, norm, tokensPerSecond]);
    this.#validations = new Rows(valStep, [valLoss]);
    this.#end = end;
    this.#broken = broken;
  }

  /** Columns read so far. The arrays are views that hold until the next `append`. */
  get columns(): RunColumns {
    const [loss, learningRate, norm, tokensPerSecond] = this.#updates.values;
    const [valLoss] = this.#validations.values;
    const [step, valStep] = [this.#updates.step, this.#validations.step];
    return { step, loss, learningRate, norm, tokensPerSecond, valStep, valLoss, end: this.#end, broken: this.#broken };
  }

  /** Numbers of updates and validations that the last `append` left unchanged. */
  get kept(): { readonly updates: number; readonly validations: number } {
    return { updates: this.#updates.kept, validations: this.#validations.kept };
  }

  /** The samples among the lines that were appended. */
  get samples(): readonly RunSample[] {
    return this.#samples;
  }

  /**
   * Adds a piece of the log, as far as it is new. False, and nothing is done, where lines between `columns.end` and the
   * piece are missing: the log must be read again.
   */
  append({ from, to, lines }: LogPiece): boolean {
    if (from > this.#end) return false;
    for (const rows of [this.#updates, this.#validations]) rows.kept = rows.length;
    let at = from;
    for (const line of lines) {
      if (from < this.#end) at += encoder.encode(line).length + 1;
      if (from === this.#end || at > this.#end) this.#add(line);
    }
    this.#end = Math.max(this.#end, to);
    return true;
  }

  #add(line: string): void {
    const metric = parseLine(line);
    if (metric === undefined || metric.step !== (metric.step | 0)) {
      if (line.trim() !== "") this.#broken++;
      return;
    }
    const { event, step, loss, learningRate, norm, tokensPerSecond, text } = metric;
    if (event === "step") this.#updates.push(step, [loss, learningRate, norm, tokensPerSecond]);
    else if (event === "val") this.#validations.push(step, [loss]);
    else if (event === "sample" && text !== undefined) {
      while ((this.#samples.at(-1)?.step ?? -1) >= step) this.#samples.pop();
      this.#samples.push({ step, text });
    }
  }
}

/** Reads the log of a run folder, ours or llm.c's, up to its last whole line. InputError when the folder holds no run. */
export async function readLog(folder: string): Promise<GrowingColumns> {
  const growing = new GrowingColumns();
  const path = await logPath(folder);
  if (path === undefined) return growing;
  const cutter = new LineCutter(path);
  for await (const chunk of await platform.openStream(path)) {
    const from = cutter.end;
    const lines = cutter.push(chunk);
    growing.append({ from, to: cutter.end, lines });
  }
  return growing;
}

/** Configuration and samples of a run folder. InputError when it holds no run, or config.json is damaged. */
export async function readDetails(folder: string) {
  const { samples, columns } = await readLog(folder);
  return { config: await readRunConfig(folder), samples, broken: columns.broken };
}

/** The numbers of a run's log. InputError when the folder holds no run. */
export async function readColumns(folder: string): Promise<RunColumns> {
  return (await readLog(folder)).columns;
}

/** Numbers of updates and validations, `end` and `broken`, each as a float64. */
const headerBytes = 4 * 8;

/** Columns as bytes: the header, then the arrays in the order of `RunColumns`, four bytes a number, little-endian. */
export function encodeColumns(columns: RunColumns): ArrayBuffer {
  const { step, loss, learningRate, norm, tokensPerSecond, valStep, valLoss, end, broken } = columns;
  const arrays = [step, loss, learningRate, norm, tokensPerSecond, valStep, valLoss];
  const buffer = new ArrayBuffer(arrays.reduce((bytes, { byteLength }) => bytes + byteLength, headerBytes));
  new Float64Array(buffer, 0, 4).set([step.length, valStep.length, end, broken]);
  let at = headerBytes;
  for (const { buffer: from, byteOffset, byteLength } of arrays) {
    new Uint8Array(buffer, at).set(new Uint8Array(from, byteOffset, byteLength));
    at += byteLength;
  }
  return buffer;
}

/** The columns that `encodeColumns` wrote, as views of `buffer`. InputError for other bytes. */
export function decodeColumns(buffer: ArrayBuffer): RunColumns {
  const header = buffer.byteLength < headerBytes ? [] : [...new Float64Array(buffer, 0, 4)];
  const [updates = 0, validations = 0, end = 0, broken = 0] = header;
  const expected = headerBytes + 20 * updates + 8 * validations;
  if (expected !== buffer.byteLength || !header.every((number) => Number.isSafeInteger(number) && number >= 0))
    throw new InputError(`A run's columns have ${buffer.byteLength} bytes, expected ${expected}. Load the page again.`);
  let at = headerBytes;
  const take = (bytes: number) => {
    at += bytes;
    return at - bytes;
  };
  const numbers = () => new Float32Array(buffer, take(4 * updates), updates);
  const step = new Int32Array(buffer, take(4 * updates), updates);
  const [loss, learningRate, norm, tokensPerSecond] = [numbers(), numbers(), numbers(), numbers()];
  const valStep = new Int32Array(buffer, take(4 * validations), validations);
  const valLoss = new Float32Array(buffer, take(4 * validations), validations);
  return { step, loss, learningRate, norm, tokensPerSecond, valStep, valLoss, end, broken };
}

/** Rows of a step and some numbers, in an array for each column; the arrays grow by doubling. */
export class Rows {
  #length: number;
  #step: Int32Array;
  #values: readonly Float32Array[];
  /** Number of rows unchanged since this was last set. */
  kept = 0;

  /** Starts with arrays of equal length, and takes ownership of them. */
  constructor(step: Int32Array, values: readonly Float32Array[]) {
    this.#length = step.length;
    this.#step = step;
    this.#values = values;
  }

  /**
   * Adds a row; what is undefined is NaN. A run that was resumed from a checkpoint makes the updates behind it again:
   * rows of this step and later ones go.
   */
  push(step: number, values: readonly (number | undefined)[]): void {
    while (this.#length > 0 && this.#step[this.#length - 1] >= step) this.#length--;
    this.kept = Math.min(this.kept, this.#length);
    if (this.#length === this.#step.length) this.#grow();
    this.#step[this.#length] = step;
    for (const [i, column] of this.#values.entries()) column[this.#length] = values[i] ?? Number.NaN;
    this.#length++;
  }

  #grow(): void {
    const capacity = Math.max(64, 2 * this.#length);
    const [step, values] = [this.#step, this.#values];
    this.#step = new Int32Array(capacity);
    this.#step.set(step);
    this.#values = values.map((column) => {
      const longer = new Float32Array(capacity);
      longer.set(column);
      return longer;
    });
  }

  get length(): number {
    return this.#length;
  }

  /** Views of the columns: they hold until the next `push`. */
  get step(): Int32Array {
    return this.#step.subarray(0, this.#length);
  }

  get values(): Float32Array[] {
    return this.#values.map((column) => column.subarray(0, this.#length));
  }
}
