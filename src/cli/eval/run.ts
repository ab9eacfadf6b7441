import { GPT2 } from "../../api/gpt2.ts";
import type { WeightType } from "../../backend/backend.ts";
import { requireStdinOnce } from "../../data/documents.ts";
import { UsageError } from "../../errors.ts";
import { evaluateLoss, type LossResult } from "../../eval/loss.ts";
import { Scorer } from "../../eval/scorer.ts";
import type { Share } from "../../eval/tasks.ts";
import { evaluateHellaSwag, evaluateLambada, type HellaSwagResult, type LambadaResult } from "../../eval/tasks.ts";
import type { HeaderlessType } from "../../format/headerless.ts";
import type { HellaSwagExample } from "../../format/hellaswag.ts";
import type { Rank } from "../../group/group.ts";
import { together } from "../../group/together.ts";
import { startBackend } from "../backend.ts";
import { ProgressLine } from "../display/progress-line.ts";
import { grouped } from "../display/text.ts";
import { type Membership, oncePerMachine } from "../group.ts";
import { Interrupt } from "../interrupt.ts";
import type { BackendFlags } from "../options/backend.ts";
import { advised } from "../options/data.ts";
import type { GroupFlags } from "../options/group.ts";
import { modelPath, remarkOnAdded } from "../options/model.ts";
import { refuseIdle, type Typed } from "../options/typed.ts";
import { print, say } from "../output.ts";
import { hellaSwagExamples, lambadaTexts, type OpenSequence, openSequences, requireSameTokens } from "./data.ts";

/** The options of `llm-ts eval`. */
export interface EvalFlags extends BackendFlags, GroupFlags {
  readonly model: string;
  /** A file; true: the one that is downloaded. */
  readonly hellaswag?: string | true;
  readonly lambada?: string | true;
  readonly block?: number;
  readonly stride?: number;
  readonly limit?: number;
  readonly headerless?: boolean | HeaderlessType;
  readonly field: string;
  readonly encoding?: string;
  readonly json?: boolean;
  readonly weights: WeightType;
  readonly adapter?: string;
}

/** Options for token files and texts, which the benchmarks do without. */
const ofData = ["block", "stride", "headerless", "encoding", "field"];

/** Scores a model on each kind of data asked for, in a member of a group, of which rank 0 prints the results. */
export async function runEval(
  data: readonly string[],
  flags: EvalFlags,
  member: Membership,
  typed: Typed,
): Promise<void> {
  if (data.length === 0 && !flags.hellaswag && !flags.lambada)
    throw new UsageError("Nothing to score the model on. Name token files or texts, or give --hellaswag or --lambada.");
  if (data.length === 0) refuseIdle(typed, ofData, "only token files and texts are read so, and none was named.");
  requireStdinOnce(data);
  const interrupt = new Interrupt();
  const { group } = member;
  const isFirst = group.rank === 0;
  const { weights, adapter } = flags;
  // A model that has to be downloaded is, once a machine.
  const path = await oncePerMachine(member, async () => {
    const found = await modelPath(flags.model);
    if (adapter !== undefined && isFirst) await remarkOnAdded(adapter, found);
    return found;
  });
  const backend = await startBackend(flags, member);
  try {
    const model = await together(group, () => GPT2.load(path, { backend, weights, adapter }));
    const scorer = new Scorer(model, undefined, group);
    member.watch();
    const { loss, hellaswag, lambada } = await withFiles(model, data, flags, async ({ sequences, examples, texts }) => {
      const loss = sequences && (await scoreData(model, scorer, sequences, flags));
      if (loss && isFirst && !flags.json) await print(lossText(loss));
      const hellaswag = examples && (await scoreHellaSwag(scorer, examples));
      if (hellaswag && isFirst && !flags.json) {
        await print(hellaSwagText(hellaswag));
        say("published, of 10,042 examples: GPT-2 124M 0.2859 and 0.2955, GPT-2 XL 0.3842 and 0.4893");
      }
      const lambada = texts && (await scoreLambada(model, scorer, texts));
      if (lambada && isFirst && !flags.json) await print(lambadaText(lambada));
      return { loss, hellaswag, lambada };
    });
    if (flags.json && isFirst) await print(`${JSON.stringify({ model: flags.model, loss, hellaswag, lambada })}\n`);
  } finally {
    await backend.dispose();
    interrupt.dispose();
  }
}

type OnProgress = (done: number, total: number) => void;

/** Shows the progress of this member of a group, rank 0's for all. */
async function withProgress<T>(what: string, { rank }: Rank, work: (onProgress: OnProgress) => Promise<T>): Promise<T> {
  if (rank > 0) return work(() => {});
  const line = new ProgressLine(what);
  try {
    return await work((done, total) => line.update(done / total));
  } finally {
    line.end();
  }
}

/** What a model is scored on; undefined: not asked for. */
interface EvalFiles {
  readonly sequences?: readonly OpenSequence[];
  readonly examples?: readonly HellaSwagExample[];
  readonly texts?: readonly string[];
}

/** Reads all files before `score` takes long on the first, and closes them. */
async function withFiles<T>(
  model: GPT2,
  data: readonly string[],
  { hellaswag, lambada, limit = Number.POSITIVE_INFINITY, headerless, field, encoding }: EvalFlags,
  score: (files: EvalFiles) => Promise<T>,
): Promise<T> {
  const tokenizer = () => model.requireTokenizer();
  for (const input of data) await requireSameTokens(input, model.tokenizer);
  const sequences = await openSequences(data, { headerless, field, encoding }, tokenizer).catch(
    async (error: unknown) => {
      throw await advised(error, process.argv.slice(2), false);
    },
  );
  try {
    return await score({
      sequences: data.length > 0 ? sequences : undefined,
      examples: hellaswag ? await hellaSwagExamples(hellaswag, limit, tokenizer) : undefined,
      texts: lambada ? await lambadaTexts(lambada, limit) : undefined,
    });
  } finally {
    for (const sequence of sequences) await sequence.close();
  }
}

function scoreData(
  { tokenizer }: GPT2,
  scorer: Scorer,
  sequences: readonly OpenSequence[],
  { block: T, stride, limit }: EvalFlags,
): Promise<LossResult> {
  const options = { T, stride, limit, tokenizer };
  return withProgress("loss", scorer.group, (onProgress) =>
    evaluateLoss(scorer, sequences, { ...options, onProgress }),
  );
}

function scoreHellaSwag(scorer: Scorer, examples: readonly HellaSwagExample[]): Promise<HellaSwagResult> {
  return withProgress("HellaSwag", scorer.group, (onProgress) => evaluateHellaSwag(scorer, examples, { onProgress }));
}

function scoreLambada(model: GPT2, scorer: Scorer, texts: readonly string[]): Promise<LambadaResult> {
  const tokenizer = model.requireTokenizer();
  return withProgress("LAMBADA", scorer.group, (onProgress) =>
    evaluateLambada(scorer, texts, tokenizer, { onProgress }),
  );
}

function lossText({ tokens, loss, perplexity, bytes, bitsPerByte, T, stride }: LossResult): string {
  const perByte =
    bytes === undefined || bitsPerByte === undefined
      ? ""
      : `bits per byte ${bitsPerByte.toFixed(4)} (${grouped(bytes)} bytes)\n`;
  return (
    `loss ${loss.toFixed(6)} (${grouped(tokens)} tokens, block ${T}, stride ${stride})\n` +
    `perplexity ${perplexity.toFixed(4)}\n${perByte}`
  );
}

function hellaSwagText({ examples, acc, accNorm, cut }: HellaSwagResult): string {
  return (
    `HellaSwag: acc ${shareText(acc)}, acc_norm ${shareText(accNorm)} (${grouped(examples)} examples)\n` +
    cutText(cut, "endings' contexts")
  );
}

function lambadaText({ examples, acc, perplexity, cut }: LambadaResult): string {
  const count = `(${grouped(examples)} examples)`;
  return `LAMBADA: acc ${shareText(acc)}, perplexity ${perplexity.toFixed(4)} ${count}\n${cutText(cut, "texts")}`;
}

function shareText({ value, stderr }: Share): string {
  return value.toFixed(4) + (stderr === undefined ? "" : ` ± ${stderr.toFixed(4)}`);
}

function cutText(cut: number, what: string): string {
  return cut > 0 ? `${grouped(cut)} ${what} were cut at the front: the model has too few positions\n` : "";
}
