import type { GeluForm } from "../backend/backend.ts";
import { shown, UsageError } from "../errors.ts";
import { type OptionNames, requireOptions } from "../option-names.ts";

/**
 * Options of the architecture: what each may be, GPT-2's own first. A model with another one is no GPT-2: files say so,
 * and llm.c's cannot hold it.
 */
export const architecture = {
  /** Of the residual stream, before attention and MLP and at the end: layernorm, or RMS norm without mean and bias. */
  norm: ["layer", "rms"],
  /** Learned and added to the tokens, or rotary: queries and keys turn by their position. */
  positions: ["learned", "rotary"],
} as const satisfies Readonly<Record<string, readonly [string, ...string[]]>>;

export type Architecture = { readonly [Name in keyof typeof architecture]: (typeof architecture)[Name][number] };

const options: Readonly<Record<string, readonly string[]>> = architecture;

/** The options of the architecture among some fields: unchecked, for `makeConfig` or `configProblem` to judge. */
export function architectureIn(fields: Readonly<Record<string, unknown>>): Partial<Architecture> {
  return Object.fromEntries(
    Object.entries(fields).filter(([name, value]) => Object.hasOwn(options, name) && value !== undefined),
  );
}

/** The options of the architecture in which a model is no GPT-2. */
export function departures(config: Architecture): Partial<Architecture> {
  return Object.fromEntries(
    Object.entries(architectureIn({ ...config })).filter(([name, value]) => value !== options[name][0]),
  );
}

/** True if the architecture is GPT-2's, as llm.c's files and transformers assume. */
export function isGpt2(config: Architecture): boolean {
  return Object.keys(departures(config)).length === 0;
}

/** The shape of a GPT-2. Names as in llm.c and FORMATS: T time, V vocabulary, L layers, NH heads, C channels. */
export interface GPT2Config extends Architecture {
  /** Longest sequence: rows of wpe. */
  readonly maxT: number;
  /** Vocabulary: the tokens that exist. */
  readonly V: number;
  /** Rows of wte: V, or V rounded up to a multiple of 128 with zero rows. */
  readonly Vp: number;
  readonly L: number;
  readonly NH: number;
  readonly C: number;
  /** Channels inside the MLP: 4C in GPT-2. */
  readonly hidden: number;
  /** Added to layernorm's variance: 1e-5 in GPT-2. */
  readonly epsilon: number;
  /** The MLP's non-linearity: tanh in GPT-2. */
  readonly gelu: GeluForm;
}

const sizeNames: OptionNames<GPT2Config> = {
  maxT: "context",
  V: "vocab",
  Vp: true,
  L: "layers",
  NH: "heads",
  C: "channels",
  hidden: true,
  epsilon: true,
  gelu: true,
  norm: true,
  positions: true,
};

/** True if two models have the same shape. */
export function sameConfig(a: GPT2Config, b: GPT2Config): boolean {
  return (Object.keys(sizeNames) as (keyof GPT2Config)[]).every((name) => a[name] === b[name]);
}

/** GPT-2's published sizes, by their Hugging Face names. */
const pretrained = {
  gpt2: { L: 12, NH: 12, C: 768, file: "gpt2_124M.bin" },
  "gpt2-medium": { L: 24, NH: 16, C: 1024, file: "gpt2_355M.bin" },
  "gpt2-large": { L: 36, NH: 20, C: 1280, file: "gpt2_774M.bin" },
  "gpt2-xl": { L: 48, NH: 25, C: 1600, file: "gpt2_1558M.bin" },
  distilgpt2: { L: 6, NH: 12, C: 768, file: "distilgpt2.bin" },
} as const;

/** llm.c's sizes for training from scratch, by depth. */
const depths: Record<string, { L: number; NH: number; C: number }> = {
  d6: { L: 6, NH: 6, C: 384 },
  d12: { L: 12, NH: 12, C: 768 },
  d24: { L: 24, NH: 16, C: 1024 },
  d36: { L: 36, NH: 20, C: 1280 },
  d48: { L: 48, NH: 25, C: 1600 },
};

export const presetNames: readonly string[] = [...Object.keys(depths), "baby"];

/** The llm.c checkpoint that a pretrained name stands for, or undefined when `name` is no pretrained model. */
export function pretrainedFile(name: string): string | undefined {
  return Object.hasOwn(pretrained, name) ? pretrained[name as keyof typeof pretrained].file : undefined;
}

/**
 * The configuration of a from-scratch preset: d6 … d48 for GPT-2's tokenizer, or `baby`, the small character model of
 * nanoGPT's CPU example. `V` is the vocabulary of the data's tokenizer.
 */
export function presetConfig(name: string, V: number): GPT2Config | undefined {
  if (name === "baby") return makeConfig({ L: 4, NH: 4, C: 128, maxT: 64, V });
  if (!Object.hasOwn(depths, name)) return undefined;
  return makeConfig({ ...depths[name], maxT: 1024, V });
}

type Usual = Pick<GPT2Config, "Vp" | "hidden" | "epsilon" | "gelu" | keyof Architecture>;

/** Values of GPT-2 where related models may differ: the padded vocabulary, an MLP of 4C channels, and so on. */
export function usualConfig({ V, C }: Pick<GPT2Config, "V" | "C">): Usual {
  const gpt2 = Object.fromEntries(Object.entries(options).map(([name, [first]]) => [name, first])) as Architecture;
  return { Vp: Math.ceil(V / 128) * 128, hidden: 4 * C, epsilon: 1e-5, gelu: "tanh", ...gpt2 };
}

/** Fills in what is usual (Vp the next multiple of 128, hidden 4C, epsilon 1e-5, tanh) and checks that the sizes fit. */
export function makeConfig(sizes: Pick<GPT2Config, "maxT" | "V" | "L" | "NH" | "C"> & Partial<GPT2Config>): GPT2Config {
  requireOptions("makeConfig", sizes, sizeNames);
  const config: GPT2Config = { ...usualConfig(sizes), ...sizes };
  requireConfig(config);
  return config;
}

/** UsageError for a configuration that no model can have, or what is none. */
export function requireConfig(config: GPT2Config): void {
  if (typeof config !== "object" || config === null)
    throw new UsageError(`The model configuration is ${shown(config)}, expected an object, as makeConfig gives it.`);
  const problem = configProblem(config);
  if (problem) throw new UsageError(`Invalid model configuration: ${problem}.`);
}

/** The same model with a larger vocabulary. */
export function withVocabulary(config: GPT2Config, V: number): GPT2Config {
  return { ...config, V, Vp: Math.max(config.Vp, usualConfig({ V, C: config.C }).Vp) };
}

/** Largest plausible value of each size: four times GPT-2 XL and more, small enough that no product overflows. */
export const sizeLimits = { maxT: 1 << 20, V: 1 << 20, Vp: 1 << 20, L: 1024, NH: 1024, C: 1 << 16, hidden: 1 << 18 };

/** Problem of a configuration that no model can have, in words; undefined for a valid one. */
export function configProblem(config: GPT2Config): string | undefined {
  for (const [field, limit] of Object.entries(sizeLimits)) {
    const value = config[field as keyof typeof sizeLimits];
    if (!Number.isInteger(value) || value < 1 || value > limit)
      return `${field} is ${shown(value)}, expected a whole number from 1 to ${limit}`;
  }
  if (config.C % config.NH !== 0) return `C = ${config.C} channels cannot be divided among NH = ${config.NH} heads`;
  if (config.positions === "rotary" && (config.C / config.NH) % 2 !== 0)
    return `C / NH = ${config.C / config.NH} channels a head, expected an even number for rotary positions`;
  if (config.V > config.Vp) return `V = ${config.V} tokens do not fit Vp = ${config.Vp} rows`;
  if (!["tanh", "erf"].includes(config.gelu)) return `the GELU is ${shown(config.gelu)}, expected tanh or erf`;
  for (const [name, value] of Object.entries(architectureIn({ ...config })))
    if (!options[name].includes(value)) return `${name} is ${shown(value)}, expected ${options[name].join(" or ")}`;
  if (!(typeof config.epsilon === "number" && config.epsilon > 0))
    return `the layernorm epsilon is ${shown(config.epsilon)}, expected a number above 0`;
  return undefined;
}
