/** Types of the calls between the Learn view and its worker, which computes with a copy of a model on the reference backend. */
import type { Asks } from "../../../src/learn/asks.ts";
import type { Task } from "../../../src/learn/task.ts";
import type { Judgement } from "../../../src/learn/verdict.ts";
import type { TraceUpdate } from "../../../src/verify/trace.ts";
import type { TraceTensor } from "../../../src/verify/trace-tensor.ts";

/** The model of the lesson. */
export interface LessonModel {
  /** Undefined: the small one that the worker made. */
  readonly name?: string;
  readonly L: number;
  readonly NH: number;
  readonly C: number;
  readonly parameters: number;
  /** Updates made in the lesson, or by the run that it is a copy of. */
  readonly updates?: number;
}

/** A tensor of the step, with numbers about it. */
export interface LessonTensor extends TraceTensor {
  /** Root of the sum of squares. */
  readonly norm: number;
  /** Largest absolute value. */
  readonly largest: number;
}

/** One training step on a text of T + 1 tokens: forward, backward and update. */
export interface LessonStep {
  readonly model: LessonModel;
  /** (T + 1) texts of the tokens: position t reads token t and is to predict token t + 1. */
  readonly texts: readonly string[];
  /** Tokens of the text that were left out at its end. */
  readonly cut: number;
  /** (T) */
  readonly losses: Float32Array;
  readonly loss: number;
  /** Of all gradients. */
  readonly norm: number;
  /** What the gradient is multiplied by before the update: below 1 where it is clipped. */
  readonly gradScale: number;
  readonly update: TraceUpdate;
  /** In the order of computation. */
  readonly tensors: readonly LessonTensor[];
}

/** The worker's methods. They reject with LlmErrors; anything else is a bug. */
export interface Lesson {
  /** Makes the small model: 2 layers, 16 channels, one token for each character. */
  makeOwn(): Promise<void>;
  /** Copies a model from its exported files; `updates`: made so far. InputError for one that is too large. */
  open(files: readonly File[], name: string, updates?: number): Promise<void>;
  /** Traces a step of the model, which stays as it is. */
  step(text: string): Promise<LessonStep>;
  /** Values of a tensor of the last step. */
  tensor(name: string): Promise<Float32Array>;
  /** What the loss at position t of the last step asks of each position. */
  asks(t: number): Promise<Asks>;
  /** Trains the lesson's model on the text. `onUpdate` gets the loss of each update, counted from 1. */
  train(text: string, updates: number, onUpdate: (update: number, loss: number) => void): Promise<void>;
  /** Judges a reader's exercise; `sources` has the code of all exercises by their ids. */
  check(id: string, sources: Readonly<Record<string, string>>): Promise<Judgement>;
}

/** What the worker of an exercise runs. */
export interface ExerciseInput {
  /** The exercise, and the function that its code exports. */
  readonly id: string;
  readonly name: string;
  /** Code of all exercises by their ids: one may import others. */
  readonly sources: Readonly<Record<string, string>>;
  readonly task: Task;
}

/** The characters that the small model knows: those of tiny Shakespeare. */
export const ownCharacters = "\n !$&',-.3:;?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** Most tokens that a step reads: as many as a picture shows with their names. */
export const mostTokens = 32;

/** Most parameters of a model: a step keeps seven numbers for each, and plain loops take a second for a million. */
export const mostParameters = 3_000_000;
