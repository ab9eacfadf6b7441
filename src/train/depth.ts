/**
 * One dial, the number of layers, for sizes and settings that go together. From nanochat: 64 channels a layer, 12 tokens to
 * train on for each parameter of the layers. Heads have 64 channels, as GPT-2's, whose 124M is depth 12. nanochat's other
 * choices are for GPUs; these are for few cores and minutes:
 *
 * - context: the power of two from 64 positions a layer on, at most GPT-2's 1024;
 * - tokens of an update: 512 * depth^2, which is nanoGPT's 16,384 at its 6 layers, in batches of at most 4096, which bound
 *   the memory of activations;
 * - learning rate: GPT-3's 6e-4 at 768 channels, and in inverse proportion to the root of the width, as nanochat scales
 *   AdamW's: about nanoGPT's 1e-3 at 4 to 6 layers;
 * - everything else as for `baby`: random order, warm-up, cosine down to a tenth, weight decay, clipping.
 */
import { UsageError } from "../errors.ts";
import { type GPT2Config, presetConfig } from "../model/config.ts";
import type { RunChoices, TrainSettings } from "./settings.ts";

const headChannels = 64;
const channelsPerLayer = 64;
const mostTokensInBatch = 4096;
const tokensPerParameter = 12;
/** Of GPT-3's 125M, which has the sizes of depth 12. */
const reference = { depth: 12, learningRate: 6e-4 };

/** The sizes of a model of this depth. */
export function depthSizes(depth: number): Pick<GPT2Config, "L" | "NH" | "C" | "maxT"> {
  const C = channelsPerLayer * depth;
  const maxT = Math.min(1024, 2 ** Math.ceil(Math.log2(channelsPerLayer * depth)));
  return { L: depth, NH: C / headChannels, C, maxT };
}

/**
 * The defaults of `--depth` for `processes` that train together. What is chosen counts: with another `block`, as many rows as
 * fill a batch, and with another batch as many batches as make up an update.
 */
export function depthDefaults(depth: number, choices: RunChoices, processes: number): Partial<TrainSettings> {
  const { maxT, C } = depthSizes(depth);
  // The matrices of a layer have 12 C^2 parameters.
  const parameters = depth * 12 * C ** 2;
  const tokens = 512 * depth ** 2;
  const block = choices.block ?? choices.context ?? maxT;
  const batch = choices.batch ?? Math.max(1, Math.floor(Math.min(mostTokensInBatch, tokens) / block));
  const inBatch = processes * batch * block;
  const totalBatch = choices.totalBatch || inBatch * Math.max(1, Math.floor(tokens / inBatch));
  const steps = Math.max(1, Math.round((tokensPerParameter * parameters) / totalBatch));
  const { steps: made = steps } = choices;
  const share = (parts: number) => Math.max(1, Math.round((made > 0 ? made : steps) / parts));
  return {
    block,
    batch,
    totalBatch,
    steps,
    learningRate: Number((reference.learningRate * Math.sqrt(reference.depth / depth)).toPrecision(3)),
    warmupSteps: share(20),
    valEvery: share(16),
    sampleEvery: share(16),
    valBatches: 10,
    finalValBatches: choices.valBatches ?? 40,
  };
}

/** UsageError for a model that is not what `--depth` makes. */
export function requireDepthModel({ depth, model }: RunChoices): void {
  if (depth === undefined || model === undefined || model === "custom") return;
  const preset = presetConfig(model, 1);
  const sizes = depthSizes(depth);
  if (preset && (["L", "NH", "C", "maxT"] as const).every((name) => preset[name] === sizes[name])) return;
  throw new UsageError(
    `--depth ${depth} makes a new model, and --model (-e) ${model} is another one. Leave one of them out; sizes of your ` +
      "own go with --depth: --layers, --heads, --channels, --context.",
  );
}

/** What a run at this depth is, in words; `processes` train it together. */
export function describeDepth(depth: number, config: GPT2Config, settings: TrainSettings, processes = 1): string {
  const { batch, block, accumulate, learningRate } = settings;
  const { L, NH, C, maxT } = config;
  const batches = [processes, accumulate].filter((count) => count > 1);
  const tokens = (processes * accumulate * batch * block).toLocaleString("en-US");
  return (
    `depth ${depth}: ${counted(L, "layer")}, ${counted(NH, "head")}, ${C} channels, context ${maxT}; ${tokens} tokens an update ` +
    `(${[...batches, batch, block].join(" x ")}), learning rate ${learningRate}`
  );
}

const counted = (count: number, what: string) => `${count} ${what}${count === 1 ? "" : "s"}`;
