import { platform } from "#platform";
import { isGpt2Vocabulary, requireFit } from "../../api/model-tokenizer.ts";
import { findTokenizer, readDataset } from "../../data/dataset.ts";
import { InputError, UsageError } from "../../errors.ts";
import { hasWildcard } from "../../platform/glob.ts";
import { gpt2Tokenizer } from "../../tokenizer/gpt2.ts";
import { extendsTokens, fits, sameTokens } from "../../tokenizer/tokenizer.ts";
import { suggestion } from "../suggest.ts";
import { type DataChoice, defaultData, type Kind } from "./default-data.ts";
import type { ModelChoice } from "./model.ts";
import type { TrainFlags } from "./options.ts";

/** Finds the data of a run: what --train and --val name, else tiny Shakespeare in the model's vocabulary. */
export async function chooseData(
  flags: TrainFlags,
  model: ModelChoice,
  onProgress: (share: number) => void,
): Promise<DataChoice> {
  const data = await (flags.train === undefined ? shakespeare(flags, model, onProgress) : named(flags, flags.train));
  const V = model.config?.V ?? flags.vocab;
  if (data.tokenizer && flags.vocab !== undefined && !model.config && !fits(data.tokenizer, flags.vocab))
    throw new UsageError(
      `--vocab is ${flags.vocab}, expected ${data.tokenizer.vocabSize} or more: the data's tokenizer has ` +
        `${data.tokenizer.vocabSize} tokens.`,
    );
  const isChat = data.tokenizer?.turnEnd !== undefined;
  const [dataTokens, modelTokens] = [data.tokenizer?.tokens(), model.tokenizer?.tokens()];
  // The special tokens of a chat are behind the model's own: it gets them.
  const grows = isChat && dataTokens && modelTokens && extendsTokens(dataTokens, modelTokens);
  const file = model.file ?? flags.model ?? model.name;
  if (dataTokens && modelTokens && !grows && !sameTokens(dataTokens, modelTokens))
    throw new InputError(
      `${data.name} was prepared with other tokens than ${model.name} was trained with. ` +
        (isChat ? adviceOnChat(data.train, model, file) : withTokensOf(file, "TEXT")),
    );
  if (data.tokenizer && V !== undefined) requireFit(data.tokenizer, V);
  // Of the same tokens, the model's own says more: it may have settings, or be the only one that can encode.
  const own = model.tokenizer?.kind === "unknown" || isChat ? undefined : model.tokenizer;
  const tokenizer = own ?? data.tokenizer ?? model.tokenizer;
  if (tokenizer) return { ...data, tokenizer };
  // llm.c's token files stand alone: they are GPT-2's unless something says otherwise.
  return V === undefined || isGpt2Vocabulary(V) ? { ...data, tokenizer: await gpt2Tokenizer() } : data;
}

/** Advice on conversations of other tokens than the model's. Only some tokenizers have special tokens, or may get them. */
function adviceOnChat(data: string, { tokenizer }: ModelChoice, file: string): string {
  if (tokenizer?.kind === "gpt2" || tokenizer?.kind === "huggingface")
    return withTokensOf(file, "CONVERSATIONS", "--chat");
  return (
    `It holds conversations, whose turns special tokens mark, and the model's tokenizer (${tokenizer?.kind}) has none, so that no ` +
    `prepared conversations fit it. Train a new model on them: ${suggestion("train", "--model", "baby", "-i", data, "-o", "runs/")}`
  );
}

function withTokensOf(model: string, ...inputs: readonly string[]): string {
  const command = suggestion("prepare", ...inputs, "--tokenizer", model, "-o", "FOLDER");
  return `Prepare it with the model's: ${command}; or train a new model on it.`;
}

async function shakespeare(
  { val, vocab }: TrainFlags,
  model: ModelChoice,
  onProgress: (share: number) => void,
): Promise<DataChoice> {
  if (val !== undefined) throw new UsageError("--val alone is not enough: also name the data to --train on.");
  return defaultData(kindFor(model, model.config?.V ?? vocab), onProgress);
}

/** Data that `--train` names. */
async function named({ val }: TrainFlags, train: string): Promise<DataChoice> {
  return { name: train, train, val: await validationOf(val, train), tokenizer: await findTokenizer(train) };
}

/** The validation data of `--val`, else that of the folder `train`, unless it was prepared without. */
async function validationOf(val: string | undefined, train: string): Promise<string | undefined> {
  const isFolder = (await platform.pathKind(train)) === "folder";
  const hasVal = isFolder && (await readDataset(train))?.val !== undefined;
  return val ?? (hasVal ? train : undefined);
}

/** True where the data that options name, or tiny Shakespeare, can be validated on; also where it is missing, which has an error of its own. */
export async function hasValidation({ train, val }: TrainFlags): Promise<boolean> {
  const isMissing = async (path: string) => !hasWildcard(path) && (await platform.pathKind(path)) === undefined;
  return train === undefined || (await isMissing(train)) || (await validationOf(val, train)) !== undefined;
}

/** Tokens of tiny Shakespeare for a model: small custom models learn from characters. */
function kindFor({ name, tokenizer, isSmall = false }: ModelChoice, V: number | undefined): Kind {
  if (tokenizer?.kind === "gpt2" || (V === undefined ? !isSmall : !tokenizer && isGpt2Vocabulary(V))) return "gpt2";
  if (V === undefined || V === 65 || tokenizer?.kind === "char") return "char";
  throw new InputError(
    `${name} has a vocabulary of ${V} tokens, and tiny Shakespeare has 50257 (gpt2) or 65 (char). Say what to train ` +
      "on with --train: token files, or a folder that llm-ts prepare wrote.",
  );
}
