import { Extremes } from "../../src/plot/extremes.ts";
import { GrowingColumns, type RunColumns, type RunSample } from "../../src/runs/columns.ts";
import type { Quantity } from "../../src/runs/read-run.ts";
import { Curve } from "./curve.ts";
import type { Bytes } from "./source.ts";
import { type Axis, countBefore, type Trace } from "./traces.ts";

export const quantities = ["loss", "learningRate", "norm", "tokensPerSecond"] as const satisfies readonly Quantity[];

/** Kinds of x: updates, tokens, or seconds of training. */
export const xKinds = ["updates", "tokens", "time"] as const;

export type XKind = (typeof xKinds)[number];

/** The data of a run for charts. Appended lines cost time for themselves alone. */
export class RunData {
  readonly #growing: GrowingColumns;
  readonly #curves: Record<Quantity, Curve>;
  readonly #val = new Extremes();
  /** Tokens per update, if known. */
  readonly #tokens: number | undefined;
  /** Seconds of training up to each update, computed on demand, valid up to `#secondsEnd`. */
  #seconds = new Float64Array();
  #secondsEnd = 0;
  /** Number of appends. */
  changes = 0;

  constructor(columns: RunColumns, tokensPerUpdate: number | undefined) {
    this.#growing = new GrowingColumns(columns);
    this.#tokens = tokensPerUpdate;
    const { loss, learningRate, norm, tokensPerSecond } = columns;
    this.#curves = {
      loss: new Curve(loss),
      learningRate: new Curve(learningRate),
      norm: new Curve(norm),
      tokensPerSecond: new Curve(tokensPerSecond),
    };
    this.#val.update(columns.valLoss);
  }

  get columns(): RunColumns {
    return this.#growing.columns;
  }

  /** Samples appended since the columns were loaded. */
  get newSamples(): readonly RunSample[] {
    return this.#growing.samples;
  }

  /** Appends lines of the log; false if lines before them are missing, so that the run must be loaded again. */
  append(lines: readonly string[], bytes: Bytes | undefined): boolean {
    const { end } = this.#growing.columns;
    if (!this.#growing.append({ lines, ...(bytes ?? { from: end, to: end }) })) return false;
    this.changes++;
    const { updates, validations } = this.#growing.kept;
    const { columns } = this;
    for (const quantity of quantities) this.#curves[quantity].update(columns[quantity], updates);
    this.#val.update(columns.valLoss, validations);
    this.#secondsEnd = Math.min(this.#secondsEnd, updates);
    return true;
  }

  curve(quantity: Quantity): Curve {
    return this.#curves[quantity];
  }

  get val(): Trace {
    return { values: this.columns.valLoss, extremes: this.#val };
  }

  get bestVal(): number | undefined {
    const { valLoss } = this.columns;
    const found = this.#val.find(0, valLoss.length);
    return found && valLoss[found[0]];
  }

  /** The x of updates; undefined if unknown. */
  axis(kind: XKind): Axis | undefined {
    if (kind === "updates") return { values: this.columns.step, unit: 1 };
    if (this.#tokens === undefined) return undefined;
    if (kind === "tokens") return { values: this.columns.step, unit: this.#tokens };
    return { values: this.#secondsOfUpdates(this.#tokens), unit: 1 };
  }

  /** The x of validations; undefined if unknown. */
  valAxis(kind: XKind): Axis | undefined {
    const { valStep, step } = this.columns;
    const axis = this.axis(kind);
    if (axis === undefined || kind !== "time") return axis && { values: valStep, unit: axis.unit };
    const seconds = Float64Array.from(valStep, (at) => {
      const index = countBefore({ values: step, unit: 1 }, at);
      return index === 0 ? 0 : axis.values[index - 1];
    });
    return { values: seconds, unit: 1 };
  }

  #secondsOfUpdates(tokens: number): Float64Array {
    const { tokensPerSecond } = this.columns;
    const { length } = tokensPerSecond;
    if (this.#seconds.length < length) {
      const longer = new Float64Array(2 * length);
      longer.set(this.#seconds);
      this.#seconds = longer;
    }
    for (let i = this.#secondsEnd; i < length; i++) {
      const before = i === 0 ? 0 : this.#seconds[i - 1];
      this.#seconds[i] = before + (tokensPerSecond[i] > 0 ? tokens / tokensPerSecond[i] : 0);
    }
    this.#secondsEnd = length;
    return this.#seconds.subarray(0, length);
  }
}
