/** A tensor of a trace: its name, and how it was computed. */
export interface TraceTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** Integers: tokens and targets. */
  readonly integer?: true;
  /** The operation that gave it; undefined for what the step starts from. */
  readonly operation?: string;
  /** Which of the operation's results it is. */
  readonly output?: string;
  /** The operation's operands: a trace's tensors by their role. */
  readonly inputs?: Readonly<Record<string, string>>;
  /** Programs may do without it. */
  readonly optional?: true;
}
