/** Finds what is wrong with a tensor by computing it with each known mistake, and comparing. */
import type { Numbers, Operand } from "../mistakes/operation.ts";
import { attemptsAt, isStudied } from "../mistakes/table.ts";
import { deviation, largestOf } from "./tolerance.ts";
import type { TraceTensor } from "./trace-tensor.ts";

export interface Explanation {
  /** Why the tensor deviates: a clause without a full stop. */
  readonly what: string;
  /** Largest difference between the tensor and what this mistake gives, relative to the largest value. */
  readonly remaining: number;
  /** True if the operation is right, and was given wrong operands. */
  readonly upstream?: true;
}

/** A mistake explains a tensor if it gives it to this share of its largest value: many roundings, no second mistake. */
const sameResult = 1e-5;

/** How far `candidate` is from the tensor, relative to its largest value. */
function remainingOf(found: Operand["data"], candidate: ArrayLike<number>): number {
  if (candidate.length !== found.length) return Number.POSITIVE_INFINITY;
  const { maxDiff } = deviation(found, Float64Array.from(candidate), () => 1);
  const scale = largestOf({ data: found });
  return Number.isNaN(maxDiff) ? Number.POSITIVE_INFINITY : maxDiff / (scale || 1);
}

/**
 * The operation's result, right and with each mistake, from the operands in `inputs`; the best that gives `found`. A mistake
 * counts only if it is ten times as close as the right computation.
 */
export function explainByMistakes(
  { operation = "", output = "" }: TraceTensor,
  inputs: Readonly<Record<string, Operand>>,
  numbers: Numbers,
  found: Operand["data"],
): Explanation | undefined {
  if (!isStudied(operation)) return undefined;
  // An update is small beside its parameter: what counts is the change.
  const before = output === "param" ? inputs.param.data : undefined;
  const change = (values: ArrayLike<number>) =>
    before ? Float64Array.from(values, (value, i) => value - before[i]) : Float64Array.from(values);
  const changed = change(found);
  const rounding = before ? (2 ** -22 * largestOf({ data: before })) / largestOf({ data: changed }) : 0;
  const explained = sameResult + rounding;
  const [right, ...mistakes] = attemptsAt(operation, inputs, numbers).map(({ what = "", compute }) => ({
    what,
    remaining: remainingOf(changed, change(compute()[output] ?? [])),
  }));
  const best = mistakes.reduce((a, b) => (b.remaining < a.remaining ? b : a));
  if (right.remaining < explained && best.remaining > right.remaining / 10)
    return { what: "the operation is right, its operands are not", remaining: right.remaining, upstream: true };
  return best.remaining < Math.min(explained, right.remaining / 10) ? best : undefined;
}

/** Mistakes that any tensor may have: in its values, without regard to the operation. */
export function explainByValues(
  { shape }: TraceTensor,
  found: Operand,
  expected: Operand,
  { B, T }: Readonly<Record<"B" | "T", number>>,
): Explanation | undefined {
  const { data } = found;
  const bad = data.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) return { what: `element ${bad} is ${data[bad]}`, remaining: 0 };
  if (data.every((value: number) => value === 0))
    return { what: "all elements are 0: it was never computed, or written elsewhere", remaining: 0 };
  const last = shape[shape.length - 1];
  const attempts: readonly (readonly [what: string, values: ArrayLike<number>])[] = [
    ["it is transposed: rows and columns are exchanged", transposed(expected.data, expected.data.length / last, last)],
    ["sequences and positions are exchanged: it is (T,B,…), expected (B,T,…)", timeFirst(expected.data, shape, B, T)],
  ];
  const best = attempts
    .map(([what, values]) => ({ what, remaining: remainingOf(data, values) }))
    .reduce((a, b) => (b.remaining < a.remaining ? b : a));
  return best.remaining < sameResult ? best : constantFactor(data, expected.data, B * T);
}

/** A matrix of `rows` as its transpose. */
function transposed(data: Operand["data"], rows: number, columns: number): Float64Array {
  if (rows < 2 || columns < 2) return new Float64Array();
  return Float64Array.from(data, (_, i) => data[(i % rows) * columns + Math.floor(i / rows)]);
}

/** (B,T,…) as (T,B,…). */
function timeFirst(data: Operand["data"], shape: readonly number[], B: number, T: number): Float64Array {
  if (shape[0] !== B || shape[1] !== T || B < 2 || T < 2) return new Float64Array();
  const width = data.length / (B * T);
  return Float64Array.from(data, (_, i) => {
    const [n, c] = [Math.floor(i / width), i % width];
    return data[((n % B) * T + Math.floor(n / B)) * width + c];
  });
}

/** The number that all elements are multiplied by, where there is one. */
function constantFactor(found: Operand["data"], expected: Operand["data"], rows: number): Explanation | undefined {
  let [products, squares] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    products += found[i] * expected[i];
    squares += expected[i] ** 2;
  }
  const factor = products / squares;
  if (!Number.isFinite(factor) || factor === 0 || expected.length < 2) return undefined;
  const remaining = remainingOf(
    found,
    Float64Array.from(expected, (value) => value * factor),
  );
  if (remaining > sameResult) return undefined;
  const near = (value: number) => Math.abs(factor / value - 1) < 1e-4;
  const meaning = near(-1)
    ? "the sign is wrong"
    : near(rows)
      ? "the division by B * T is missing"
      : near(1 / rows)
        ? "it was divided by B * T twice"
        : near(2)
          ? "it was added twice, or to what was there from before"
          : "a factor is missing or too many";
  return { what: `every element is ${Number(factor.toPrecision(6))} times what it should be: ${meaning}`, remaining };
}
