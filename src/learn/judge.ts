/** Judges what a reader's function returned: type, size, numbers, and the mistake that gives these numbers. */
import { placeOf } from "../backend/shape.ts";
import type { Results } from "../mistakes/operation.ts";
import { attemptsAt } from "../mistakes/table.ts";
import type { Case, Exercise } from "./exercise.ts";

/** What one call of a reader's function did. */
export interface Outcome {
  /** Each result by name: its numbers, or what it is instead, in words. */
  readonly results: Readonly<Record<string, Float64Array | string>>;
  /** Names of the arguments that it changed. */
  readonly changed: readonly string[];
}

/** Why a function is not right yet. */
export interface Problem {
  readonly what: string;
  /** The mistake that gives these numbers; a clause without a full stop. */
  readonly likely?: string;
}

/** Share of a result's largest value that counts as equal: some ten roundings of float32 on sums as short as these. */
const tolerance = 2e-5;

/** Problem with an outcome; undefined: it is right. `likely` names the mistake that gives such numbers, if one does. */
export function judge(
  exercise: Exercise,
  given: Case,
  { results, changed }: Outcome,
  likely = mistakeIn,
): Problem | undefined {
  const expected = expectedOf(exercise, given);
  for (const [name, right] of Object.entries(expected)) {
    const found = results[name];
    const called = Object.keys(expected).length > 1 ? `result ${name}` : "the result";
    const wanted = `an array of ${right.length} numbers, ${name} ${exercise.results[name]}`;
    if (found === undefined || typeof found === "string")
      return { what: `${called} is ${found ?? "undefined"}, expected ${wanted}` };
    if (found.length !== right.length) return { what: `${called} has ${found.length} numbers, expected ${wanted}` };
  }
  const found = results as Results;
  for (const [name, right] of Object.entries(expected)) {
    const difference = differenceOf(found[name], right, given.shapes[name]);
    if (difference) return { what: `${name}${difference}`, likely: likely(exercise, given, found) };
  }
  if (changed.length > 0)
    return { what: `the numbers are right, but it changed its argument ${changed[0]}: write into a new array` };
  return undefined;
}

/** The right results, by name. */
export function expectedOf({ parts }: Exercise, { inputs, numbers }: Case): Results {
  const all = parts.map(({ operation, outputs }) => {
    const right = attemptsAt(operation, inputs, numbers)[0].compute();
    return outputs.map((name) => [name, right[name]] as const);
  });
  return Object.fromEntries(all.flat());
}

function isClose(found: Float64Array, right: Float64Array): boolean {
  const scale = right.reduce((most, value) => (Math.abs(value) > most ? Math.abs(value) : most), 0);
  return (
    found.length === right.length &&
    found.every((value, i) => Object.is(value, right[i]) || Math.abs(value - right[i]) <= tolerance * scale)
  );
}

/** "[1,3] is 0.52, expected 0.61; …" of the element that is off most; undefined where none is. */
function differenceOf(found: Float64Array, right: Float64Array, shape: readonly number[]): string | undefined {
  if (isClose(found, right)) return undefined;
  const scale = right.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const off = Array.from(found, (value, i) => (Number.isNaN(value) ? Infinity : Math.abs(value - right[i])));
  const index = off.reduce((best, value, i) => (value > off[best] ? i : best), 0);
  const count = off.filter((value) => !(value <= tolerance * scale)).length;
  const short = (value: number) => Number(value.toPrecision(6));
  return (
    `[${placeOf(index, shape)}] is ${short(found[index])}, expected ${short(right[index])}; ` +
    `${count} of ${found.length} elements differ`
  );
}

/** The known mistake that gives exactly these results, where there is one. */
function mistakeIn({ parts }: Exercise, { inputs, numbers }: Case, found: Results): string | undefined {
  for (const { operation, outputs } of parts) {
    const [right, ...mistakes] = attemptsAt(operation, inputs, numbers);
    const expected = right.compute();
    const wrong = outputs.filter((name) => !isClose(found[name], expected[name]));
    if (wrong.length === 0) continue;
    for (const { what, compute } of mistakes) {
      const results = compute();
      if (wrong.every((name) => isClose(found[name], results[name]))) return what;
    }
    if (wrong.some((name) => found[name].every((value) => value === 0)))
      return "all numbers are still 0: nothing was written into the result";
    if (wrong.some((name) => found[name].some(Number.isNaN)))
      return "NaN comes from reading outside of an array, 0 / 0, or Infinity - Infinity";
  }
  return undefined;
}
