import { platform } from "#platform";
import { GPT2 } from "../../api/gpt2.ts";
import type { SampleOptions } from "../../api/options.ts";
import type { WeightType } from "../../backend/backend.ts";
import { readText } from "../../data/text.ts";
import { InputError, UsageError } from "../../errors.ts";
import { Interrupt } from "../interrupt.ts";
import { type BackendFlags, backendOptions } from "../options/backend.ts";
import { chosenModel } from "../options/newest-model.ts";
import type { SamplingFlags } from "../options/sampling.ts";
import { type Prompt, printJson, printText } from "./output.ts";

/** The options of `llm-ts generate`. */
export interface GenerateFlags extends BackendFlags, SamplingFlags {
  readonly model?: string;
  readonly tokens: number;
  readonly seed: number;
  readonly samples: number;
  readonly stop: readonly string[];
  readonly pastEnd?: boolean;
  readonly llmcSampling?: boolean;
  readonly interactive?: boolean;
  readonly weights: WeightType;
  readonly adapter?: string;
  readonly logprobs?: number;
  readonly json?: boolean;
}

/** Continues a prompt, or starts a conversation, with a model. */
export async function generate(argument: string | undefined, flags: GenerateFlags): Promise<void> {
  requireTogether(argument, flags);
  const interrupt = new Interrupt();
  const text = argument === "-" ? await standardInput() : (argument ?? "");
  const { weights } = flags;
  const { path, adapter } = await chosenModel(flags.model, flags.adapter, "--model");
  const model = await GPT2.load(path, { ...backendOptions(flags), weights, adapter });
  try {
    const options = optionsOf(flags);
    if (flags.interactive) {
      interrupt.dispose();
      const { converse } = await import("./interactive.ts");
      await converse(model, text, options);
      return;
    }
    interrupt.finishFirst(() => {});
    const prompt = promptOf(model, text);
    remarkOnLength(model, prompt.tokens.length, flags);
    const write = flags.json ? printJson : printText;
    const { wholeSamples } = await write(model, prompt, { ...options, signal: interrupt.signal });
    if (wholeSamples < flags.samples && interrupt.exitCode !== undefined) process.exitCode = interrupt.exitCode;
  } finally {
    await model.dispose();
    interrupt.dispose();
  }
}

function optionsOf(flags: GenerateFlags): SampleOptions {
  const { tokens: maxTokens, llmcSampling: llmc, json, logprobs } = flags;
  const { temperature, topK, topP, minP, repetitionPenalty, seed, samples, stop, pastEnd } = flags;
  const choice = { temperature, topK, topP, minP, repetitionPenalty, seed };
  return { ...choice, maxTokens, samples, stop, pastEnd, llmc, logprobs: json ? (logprobs ?? 0) : undefined };
}

function requireTogether(argument: string | undefined, { interactive, json, logprobs, samples }: GenerateFlags): void {
  if (logprobs !== undefined && !json) throw new UsageError("--logprobs is part of the JSON output only: add --json.");
  if (!interactive) return;
  if (json || samples > 1) throw new UsageError("--interactive writes one text at a time: leave --json and --samples.");
  if (argument === "-") throw new UsageError('--interactive reads commands from standard input: "-" cannot be, too.');
}

/** The prompt's tokens: of a text, or, where no tokenizer can read one, the ids that it lists. */
function promptOf(model: GPT2, text: string): Prompt {
  if (model.tokenizer) return { text, tokens: text === "" ? [] : model.tokenizer.encode(text, { prompt: true }) };
  const words = text.split(/[\s,]+/).filter((word) => word !== "");
  const strange = words.find((word) => !/^\d+$/.test(word));
  if (strange === undefined) return { text: words.map((word) => `${word} `).join(""), tokens: words.map(Number) };
  throw new InputError(
    `This model has no tokenizer, so a prompt has to be token ids, and "${strange}" is none. Give ids from 0 to ` +
      `${model.config.V - 1} with spaces between them, or put the model's tokenizer.bin beside its file.`,
  );
}

/** A note where prompt and new tokens exceed the model's positions. */
function remarkOnLength({ config: { maxT } }: GPT2, length: number, { tokens, llmcSampling }: GenerateFlags): void {
  if (llmcSampling || length + tokens <= maxT) return;
  const what =
    length > maxT
      ? `The prompt has ${length} tokens and the model ${maxT} positions: it sees the last ${maxT}.`
      : `Prompt and new tokens are ${length + tokens}, and the model has ${maxT} positions: when they are full it ` +
        "drops the older half.";
  process.stderr.write(`note: ${what}\n`);
}

/** All of standard input, without the line break at its end. */
async function standardInput(): Promise<string> {
  let text = "";
  for await (const piece of readText(await platform.openStream("-"))) text += piece;
  return text.replace(/\r?\n$/, "");
}
