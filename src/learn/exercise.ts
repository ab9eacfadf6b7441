import type { Numbers } from "../mistakes/operation.ts";
import type { Operands } from "../mistakes/table.ts";

export type ArgumentType = "Float32Array" | "Int32Array" | "number" | "AdamWOptions";

export interface Parameter {
  readonly name: string;
  readonly type: ArgumentType;
  /** Shape or meaning. */
  readonly doc?: string;
}

export type Argument = Float32Array | Int32Array | number | Readonly<Record<string, number>>;

/** One call of a reader's function, on random numbers of odd sizes. */
export interface Case {
  /** The sizes, for people: "B 2, T 5". */
  readonly what: string;
  readonly args: readonly Argument[];
  /** Operands of the exercise's operations, by role. */
  readonly inputs: Operands;
  readonly numbers: Numbers;
  /** Shape of each result. */
  readonly shapes: Readonly<Record<string, readonly number[]>>;
}

/** An operation of mistakes/, and which results of the exercise it gives. */
export interface Part {
  readonly operation: string;
  readonly outputs: readonly string[];
}

export interface Exercise {
  /** Name of the file without its ending: "05-attention". */
  readonly id: string;
  /** The function to fill in. */
  readonly name: string;
  readonly title: string;
  /** What it computes: the comment at the head of the file. */
  readonly text: readonly string[];
  readonly parameters: readonly Parameter[];
  /** Names of the results: one is returned as it is, several in an object. */
  readonly results: Readonly<Record<string, string>>;
  /** The lines that the function begins with: results of the right size, still zeros. */
  readonly start: readonly string[];
  /** From a nudge to nearly the solution. */
  readonly hints: readonly string[];
  readonly parts: readonly Part[];
  readonly cases: () => readonly Case[];
}
