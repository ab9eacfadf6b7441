/** The kinds of options: the values that they take, and what else is known of one. `settings.ts` is the table of them. */

/** A whole number from `min` to `max`. */
export interface WholeRule {
  readonly kind: "whole";
  readonly min: number;
  readonly max: number;
  /** Unit of the value: "updates". */
  readonly unit?: string;
}

/** A finite number from `min` to `max`. */
export interface RealRule {
  readonly kind: "real";
  readonly min: number;
  /** `undefined` as a value too: what `real` declares is a rule under a user's `exactOptionalPropertyTypes` as well. */
  readonly max?: number | undefined;
  readonly unit?: string;
}

/** One of a few words. */
export interface ChoiceRule {
  readonly kind: "choice";
  readonly values: readonly string[];
  /** It may also be said without a word: true. */
  readonly bare?: boolean;
}

/** A name or path, not empty: an empty folder would be the root of the file system. */
export interface TextRule {
  readonly kind: "text";
}

export type NumberRule = WholeRule | RealRule;
export type Rule = NumberRule | ChoiceRule | TextRule | { readonly kind: "switch" };

/** The type of the values that keep to a rule. */
export type ValueOf<R extends Rule> = R extends NumberRule
  ? number
  : R extends { readonly kind: "switch" }
    ? boolean
    : R extends ChoiceRule
      ? R["values"][number] | (R extends { readonly bare: true } ? boolean : never)
      : string;

export function whole(min: number, max: number = Number.MAX_SAFE_INTEGER) {
  return { kind: "whole", min, max } as const;
}

/** A whole number of things: "updates". */
export function counted<const U extends string>(unit: U, min: number, max?: number) {
  return { ...whole(min, max), unit } as const;
}

export function real(min: number, max?: number) {
  return { kind: "real", min, max } as const;
}

export function choice<const V extends readonly string[]>(values: V) {
  return { kind: "choice", values } as const;
}

/** What an option may need to have an effect. `needs.ts` has the conditions. */
export type Need =
  | "data"
  | "validationData"
  | "validation"
  | "shuffling"
  | "schedule"
  | "processes"
  | "adapter"
  | "earlyStop"
  | "samples"
  | "folder"
  | "checkpoints"
  | "pruning";

/** Facts about an option besides its values. */
interface Facts {
  /** That of llm.c's CPU program when it came out in April 2024. Weeks later it validated on 5 batches; since June it shuffles. */
  readonly default?: number | string | boolean;
  /** That of the model `baby`: nanoGPT's for characters on a CPU. */
  readonly baby?: number | string;
  /** Without all of these it has no effect. */
  readonly needs?: readonly Need[];
  /** `baby` is for its 2000 updates: a shorter run has proportionally less. */
  readonly scales?: true;
  /** The meaning of 0. */
  readonly zero?: string;
  /** In the help in place of the defaults. */
  readonly shown?: string;
  /**
   * Permission to resume a run with another value. `never`: weights or the position in the data depend on it; `always`: no
   * result does; otherwise with --force.
   */
  readonly change?: "never" | "always";
  /** Its name in config.json of version 0.1. */
  readonly formerly?: string;
  /** Missing in config.json of version 0.1, which had its default. */
  readonly later?: true;
  /** Its flag in llm.c's GPU trainer, where that differs. */
  readonly llmc?: string;
}

/** An option. Without flags it exists in the API alone. */
export type TrainOption = Rule & Facts & { readonly flags?: string; readonly help?: string };

export function option<const R extends Rule, const F extends Facts>(flags: string, help: string, rule: R, facts: F) {
  return { ...rule, ...facts, flags, help };
}

/** True if a value of any type satisfies a rule. */
export function fits(rule: Rule, value: unknown): boolean {
  if (rule.kind === "switch") return typeof value === "boolean";
  if (rule.kind === "text") return typeof value === "string" && value !== "";
  if (rule.kind === "choice")
    return rule.values.some((word) => word === value) || (rule.bare === true && value === true);
  if (typeof value !== "number" || !Number.isFinite(value) || value < rule.min) return false;
  return value <= (rule.max ?? value) && (rule.kind === "real" || Number.isSafeInteger(value));
}

/**
 * Values that a rule allows, in words behind "expected": "a whole number of updates, 0 or more". The largest whole number that
 * a program counts to is named where `value` is above it.
 */
export function expectation(rule: Rule, value?: unknown): string {
  if (rule.kind === "switch") return "true or false";
  if (rule.kind === "text") return "a name or path";
  if (rule.kind === "choice") return `one of ${rule.values.join(", ")}`;
  const { kind, unit, min, max = Number.MAX_SAFE_INTEGER } = rule;
  const number = `${kind === "whole" ? "a whole number" : "a number"}${unit === undefined ? "" : ` of ${unit}`}`;
  const isTooLarge = kind === "whole" && typeof value === "number" && value > max;
  return max === Number.MAX_SAFE_INTEGER && !isTooLarge
    ? `${number}, ${min} or more`
    : `${number} from ${min} to ${max}`;
}
