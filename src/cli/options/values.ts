import { InvalidArgumentError } from "commander";
import {
  expectation,
  fits,
  type NumberRule,
  type Rule,
  real as realRule,
  whole as wholeRule,
} from "../../train/setting-rules.ts";

/** A parser for an option that takes a number within a rule. */
export function numeric(rule: NumberRule): (text: string) => number {
  return (text) => within(rule, number(text));
}

/** The parser of an option that takes a name or path. */
export function name(text: string): string {
  return within({ kind: "text" }, text);
}

/** The parser of an option that takes the path of what is written, which standard output cannot take. */
export function output(text: string): string {
  if (text !== "-") return name(text);
  throw new InvalidArgumentError("Standard output does not take it: give a path; ./- is one of that name.");
}

/** The parser of an argument that takes any text, an empty one as well. */
export const anyText = (text: string) => text;

function within<T>(rule: Rule, value: T): T {
  if (fits(rule, value)) return value;
  throw new InvalidArgumentError(`Expected ${expectation(rule, value)}.`);
}

/** A parser for an option that takes a whole number from `min` to `max`. */
export const whole = (min: number, max?: number) => numeric(wholeRule(min, max));

/** A parser for an option that takes a number from `min` to `max`. */
export const real = (min: number, max?: number) => numeric(realRule(min, max));

/** The parser of `--top-p`: at 0 no token would be left to choose. */
export const topPValue = real(0.000001, 1);

/** A parser for an option that takes numbers between commas, `most` at most. */
export function reals(most: number): (text: string) => number[] {
  return (text) => {
    const values = text.split(",").map(number);
    if (values.every(Number.isFinite) && values.length <= most) return values;
    throw new InvalidArgumentError(`Expected at most ${most} numbers, with commas between them.`);
  };
}

/** The parser of a flag that may be followed by 0 or 1, as llm.c's flags are. */
export function toggle(text: string): boolean {
  if (text === "0" || text === "1") return text === "1";
  throw new InvalidArgumentError("Expected 0 (off) or 1 (on).");
}

/** Parses a number. NaN for anything else, an empty text included. */
function number(text: string): number {
  return /\d/.test(text) ? Number(text) : Number.NaN;
}
