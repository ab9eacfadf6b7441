/**
 * The range of every training setting, in one table: for the options of `train`, the options of `Trainer`, config.json
 * and the fields of the page.
 */
import type { DataOrder } from "../data/order.ts";
import { headerlessTypes } from "../format/headerless.ts";
import { scheduleNames } from "./schedule.ts";
import type { RunChoices, Seeds, TrainSettings } from "./settings.ts";

/** A whole number from `min` to `max`. */
export interface WholeRule {
  readonly kind: "whole";
  readonly min: number;
  readonly max: number;
}

/** A finite number from `min` to `max`. */
export interface RealRule {
  readonly kind: "real";
  readonly min: number;
  readonly max?: number;
}

/** One of a few words. */
export interface ChoiceRule {
  readonly kind: "choice";
  readonly values: readonly string[];
  /** It may also be said without a word: true. */
  readonly bare?: boolean;
}

export type NumberRule = WholeRule | RealRule;
export type Rule = NumberRule | ChoiceRule | { readonly kind: "switch" } | { readonly kind: "text" };

export function whole(min: number, max: number = Number.MAX_SAFE_INTEGER): WholeRule {
  return { kind: "whole", min, max };
}

export function real(min: number, max?: number): RealRule {
  return { kind: "real", min, max };
}

const orders = ["file", "shuffle", "random"] as const satisfies readonly DataOrder[];
const text = { kind: "text" } as const;
const toggle = { kind: "switch" } as const;
const seed = whole(0, 0xffffffff);
/** Closer to 1, single precision has 1. */
const decay = real(0, 0.999999);

/** Where a run's model and data come from. */
export const sourceRules = {
  model: text,
  layers: whole(1, 1024),
  heads: whole(1, 1024),
  channels: whole(1, 1 << 16),
  context: whole(1, 1 << 20),
  vocab: whole(1, 1 << 20),
  train: text,
  val: text,
  headerless: { kind: "choice", values: headerlessTypes, bare: true },
} as const satisfies Partial<Record<keyof RunChoices, Rule>>;

/** What a run does with them. */
export const runRules = {
  order: { kind: "choice", values: orders },
  seed,
  dataSeed: seed,
  sampleSeed: seed,
  batch: whole(1, 1 << 16),
  block: whole(1, 1 << 20),
  /** 0: the tokens of one batch. */
  totalBatch: whole(0),
  /** -1: one epoch. */
  steps: whole(-1),
  overfit: toggle,
  lr: real(0),
  schedule: { kind: "choice", values: scheduleNames },
  warmup: whole(0),
  finalLrFraction: real(0, 1),
  weightDecay: real(0),
  beta1: decay,
  beta2: decay,
  /** Smaller, it is 0 in single precision, and a row without gradients 0 / 0. */
  eps: real(1e-44),
  gradClip: real(0),
  skipLossZ: real(0),
  skipNormZ: real(0),
  onNan: { kind: "choice", values: ["stop", "skip"] },
  valEvery: whole(0),
  valBatches: whole(1),
  finalValBatches: whole(1),
  earlyStop: whole(0),
  earlyStopDelta: real(0),
  sampleEvery: whole(0),
  sampleTokens: whole(1),
  checkpointEvery: whole(0),
  keep: whole(0),
  keepEvery: whole(0),
} as const satisfies Readonly<Record<keyof (TrainSettings & Seeds), Rule>>;

export const settingRules = { ...sourceRules, ...runRules } satisfies Readonly<Record<keyof RunChoices, Rule>>;

export function ruleOf(name: string): Rule | undefined {
  return Object.entries<Rule>(settingRules).find(([setting]) => setting === name)?.[1];
}

/** Whether a value of whatever type keeps to a rule. */
export function fits(rule: Rule, value: unknown): boolean {
  if (rule.kind === "switch") return typeof value === "boolean";
  if (rule.kind === "text") return typeof value === "string";
  if (rule.kind === "choice")
    return rule.values.some((word) => word === value) || (rule.bare === true && value === true);
  if (typeof value !== "number" || !Number.isFinite(value) || value < rule.min) return false;
  return value <= (rule.max ?? value) && (rule.kind === "real" || Number.isSafeInteger(value));
}

/** What a rule asks for, behind "expected": "a whole number, 1 or more". */
export function expectation(rule: Rule): string {
  if (rule.kind === "switch") return "true or false";
  if (rule.kind === "text") return "a text";
  if (rule.kind === "choice") return `one of ${rule.values.join(", ")}`;
  return `${rule.kind === "whole" ? "a whole number" : "a number"}${range(rule)}`;
}

function range({ min, max = Number.MAX_SAFE_INTEGER }: NumberRule): string {
  return max === Number.MAX_SAFE_INTEGER ? `, ${min} or more` : ` from ${min} to ${max}`;
}
