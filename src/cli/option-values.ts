import { InvalidArgumentError } from "commander";

/** A parser for an option that takes a whole number from `min` to `max`. */
export function whole(min: number, max: number = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = number(text);
    if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
    const range = max === Number.MAX_SAFE_INTEGER ? `${min} or more` : `from ${min} to ${max}`;
    throw new InvalidArgumentError(`Expected a whole number, ${range}.`);
  };
}

/** A parser for an option that takes a number from `min` to `max`. */
export function real(min: number, max: number = Number.POSITIVE_INFINITY): (text: string) => number {
  return (text) => {
    const value = number(text);
    if (Number.isFinite(value) && value >= min && value <= max) return value;
    const range = max === Number.POSITIVE_INFINITY ? `${min} or more` : `from ${min} to ${max}`;
    throw new InvalidArgumentError(`Expected a number, ${range}.`);
  };
}

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

/** NaN for what is no number; unlike `Number`, for an empty text too. */
function number(text: string): number {
  return /\d/.test(text) ? Number(text) : Number.NaN;
}
