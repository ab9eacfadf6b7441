import { platform } from "#platform";
import { findTokenizer } from "../../data/dataset.ts";
import { TokenLoader } from "../../data/loader.ts";
import { InputError, UsageError } from "../../errors.ts";
import { gpt2Tokenizer } from "../../tokenizer/gpt2.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import { defaultData } from "./default-data.ts";
import type { ModelChoice } from "./model.ts";
import type { TrainFlags, TrainSettings } from "./options.ts";

/** Where a run's tokens come from. */
export interface DataChoice {
  /** For people. */
  readonly name: string;
  readonly train: string;
  /** Without it there is no validation. */
  readonly val?: string;
  readonly tokenizer?: Tokenizer;
}

const gpt2V = 50257;

/** Finds the data of a run: what --train and --val name, else tiny Shakespeare in the model's vocabulary. */
export async function chooseData(
  flags: TrainFlags,
  { config, name }: ModelChoice,
  onProgress: (share: number) => void,
): Promise<DataChoice> {
  if (flags.train === undefined) {
    if (flags.val !== undefined) throw new UsageError("--val alone is not enough: also name the data to --train on.");
    return defaultData(kindFor(config?.V ?? flags.vocab, name), onProgress);
  }
  const isFolder = (await platform.pathKind(flags.train)) === "folder";
  const tokenizer = await findTokenizer(flags.train);
  // llm.c's token files stand alone: they are GPT-2's unless something says otherwise.
  const assumed = tokenizer ?? ((config?.V ?? flags.vocab ?? gpt2V) === gpt2V ? await gpt2Tokenizer() : undefined);
  return {
    name: flags.train,
    train: flags.train,
    val: flags.val ?? (isFolder ? flags.train : undefined),
    tokenizer: assumed,
  };
}

/** Which tokens tiny Shakespeare needs: small models of one's own learn from characters. */
function kindFor(V: number | undefined, model: string): "gpt2" | "char" {
  if (V === gpt2V || (V === undefined && model !== "baby" && model !== "custom")) return "gpt2";
  if (V === undefined || V === 65) return "char";
  throw new InputError(
    `${model} has a vocabulary of ${V} tokens, and tiny Shakespeare has 50257 (gpt2) or 65 (char). Say what to train ` +
      "on with --train: token files, or a folder that llm-ts prepare wrote.",
  );
}

export interface Loaders {
  readonly train: TokenLoader;
  readonly val?: TokenLoader;
}

/** Opens the token files; every problem with them is found here, but for tokens outside the vocabulary. */
export async function openLoaders(
  data: DataChoice,
  { headerless, dataSeed, seed }: TrainFlags,
  { batch: B, block: T, order, valEvery }: TrainSettings,
  V: number,
): Promise<Loaders> {
  const options = { B, T, V, headerless };
  const train = await TokenLoader.open(data.train, { ...options, order, seed: dataSeed ?? seed });
  if (data.val === undefined || valEvery === 0) return { train };
  // Always in file order: every validation sees the same tokens.
  return { train, val: await TokenLoader.open(data.val, { ...options, split: "val" }) };
}
