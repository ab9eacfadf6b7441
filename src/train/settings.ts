/**
 * Every option of a training run, in one table: command line, help, checks, types, defaults, the page's fields and what
 * config.json records derive from it.
 */
import { precisions, weightTypes } from "../backend/backend.ts";
import { dataOrders } from "../data/order.ts";
import { headerlessTypes } from "../format/headerless.ts";
import { architecture, sizeLimits as limits } from "../model/config.ts";
import { optimizers } from "../model/muon-memory.ts";
import { choice, counted, option, real, type TrainOption, type ValueOf, whole } from "./setting-rules.ts";

const text = { kind: "text" } as const;
const toggle = { kind: "switch" } as const;

const seed = whole(0, 0xffffffff);
/** Closer to 1, single precision has 1. */
const decay = real(0, 0.999999);
const tokens = counted("tokens", 1, limits.maxT);
const updates = counted("updates", 0);
const batches = counted("batches", 1);
const deviations = { ...real(0), unit: "standard deviations" } as const;
const fixed = { change: "never" } as const;
const free = { change: "always" } as const;

/** The options by sections of the help. Their comments are the API's documentation. */
export const sections = {
  Model: {
    /** A preset, `custom`, the name of a pretrained model, or the path of a model file. */
    model: option("-e, --model <name|file>", "what to train, see below", text, { default: "gpt2", ...fixed }),
    /** Sizes and settings of a new model that go together (depth.ts): each option that is chosen as well takes precedence. */
    depth: option(
      "--depth <n>",
      "one dial for a new model: n layers, and the sizes, batch and rate that go with them, see below",
      whole(1, 64),
      fixed,
    ),
    /** Of `custom`, or in place of a preset's. */
    layers: option("--layers <n>", "layers, for custom or in place of a preset's", whole(1, limits.L), fixed),
    heads: option("--heads <n>", "attention heads in a layer", whole(1, limits.NH), fixed),
    channels: option("--channels <n>", "width, a multiple of the heads", whole(1, limits.C), fixed),
    context: option(
      "--context <n>",
      "longest sequence (default: that of the preset; baby, custom: at least --block)",
      tokens,
      fixed,
    ),
    vocab: option("--vocab <n>", "vocabulary (default: that of the data)", counted("tokens", 1, limits.V), fixed),
    /** Of a new model: layernorm, or RMS norm, without mean and bias. */
    norm: option("--norm <name>", "of a new model: layernorm, or RMS norm", choice(architecture.norm), {
      default: "layer",
      ...fixed,
    }),
    /** Of a new model: learned and added to the tokens, or rotary: queries and keys turn by their position. */
    positions: option(
      "--positions <name>",
      "of a new model: learned, or rotary (RoPE)",
      choice(architecture.positions),
      {
        default: "learned",
        ...fixed,
      },
    ),
  },
  Data: {
    /** Token files, or a folder that `prepare` wrote. */
    train: option(
      "-i, --train <glob>",
      "token files to train on, or a folder that prepare wrote (default: tiny Shakespeare)",
      text,
      {},
    ),
    val: option(
      "-j, --val <glob>",
      "token files to validate on (default: those of the folder, or tiny Shakespeare)",
      text,
      {},
    ),
    /** The type of tokens in files without a header; true: int32. */
    headerless: option(
      "--headerless [type]",
      "token files without a header: int32 (llm.c's of April 2024, default) or uint16 (nanoGPT's)",
      { ...choice(headerlessTypes), bare: true },
      { needs: ["data"], ...fixed },
    ),
    order: option("--order <name>", "in which order", choice(dataOrders), {
      default: "file",
      baby: "random",
      ...fixed,
    }),
    /** Of everything random; of a trainer, an adapter's first values. */
    seed: option("--seed <n>", "of everything random", seed, {
      default: 42,
      shown: "default: 42; 1337 for the texts, as in llm.c",
      ...fixed,
    }),
    dataSeed: option("--data-seed <n>", "of the order alone", seed, {
      default: 42,
      shown: "",
      needs: ["shuffling"],
      ...fixed,
    }),
    /** Seed of the samples' random numbers, which continue from sample to sample and run to run. With 1337 they are llm.c's. */
    sampleSeed: option("--sample-seed <n>", "of the texts alone", seed, {
      default: 1337,
      shown: "",
      needs: ["samples"],
      ...fixed,
    }),
  },
  Updates: {
    batch: option("-b, --batch <n>", "sequences in a batch", counted("sequences", 1, 1 << 16), {
      default: 4,
      baby: 12,
      ...fixed,
    }),
    block: option("-t, --block <n>", "tokens in a sequence", tokens, { default: 64, ...fixed }),
    /** Tokens of an update; 0: those of one batch. */
    totalBatch: option("-d, --total-batch <n>", "tokens of an update, a multiple of B*T", counted("tokens", 0), {
      default: 0,
      shown: "default: B*T",
    }),
    /** Batches whose mean gradient makes one update: as one large batch, but for rounding. */
    accumulate: { ...counted("batches", 1, 1 << 16), default: 1 },
    /** -1: one epoch. */
    steps: option("-x, --steps <n>", "updates; -1: one pass over the data", counted("updates", -1), {
      default: 41,
      baby: 2000,
    }),
    /**
     * Minutes for the whole run, all its starts together: from its first validation to its last checkpoint. The schedule then
     * goes by the time, the last validation takes a tenth of it at most, and `steps` is the most updates. 0: no limit.
     */
    minutes: option(
      "--minutes <f>",
      "end within so many minutes, last validation and checkpoint included; the schedule goes by the time",
      { ...real(0), unit: "minutes" },
      { default: 0, zero: "no limit", later: true },
    ),
    /** Make every update on the first batch, or on the first `accumulate` batches: can the model learn it by heart? */
    overfit: option(
      "-a, --overfit [0|1]",
      "make every update on the first batch: can the model learn it by heart?",
      toggle,
      { default: false, ...fixed },
    ),
    /** Peak learning rate. */
    learningRate: option("-l, --lr <f>", "learning rate", real(0), { default: 1e-4, baby: 1e-3, formerly: "lr" }),
    /**
     * `constant` is the peak throughout: as in llm.c, it has no warm-up. After the warm-up, `cosine` falls along half a wave
     * and `linear` along a line, until the last update; `wsd` (warm-up, stable, decay) stays on the peak and falls in the
     * run's last fifth, with one minus a square root (https://arxiv.org/abs/2405.18392).
     */
    schedule: option("-k, --schedule <name>", "of the learning rate", choice(["constant", "cosine", "linear", "wsd"]), {
      default: "constant",
      baby: "cosine",
    }),
    /** Updates over which the rate first rises in equal steps to its peak. */
    warmupSteps: option("-u, --warmup <n>", "updates over which it rises", updates, {
      default: 0,
      baby: 100,
      needs: ["schedule"],
      scales: true,
      formerly: "warmup",
    }),
    /** With `minutes` and without `warmupSteps`: the share of the time over which the rate first rises. */
    warmupShare: { ...real(0, 1), default: 0, later: true },
    /** Final learning rate, as a fraction of the peak. */
    finalFraction: option("-q, --final-lr-fraction <f>", "of the peak, at the schedule's end", real(0, 1), {
      default: 0,
      baby: 0.1,
      needs: ["schedule"],
      formerly: "finalLrFraction",
    }),
    /** Decoupled weight decay on embeddings and matrices. */
    weightDecay: option("-c, --weight-decay <f>", "on embeddings and matrices", real(0), { default: 0, baby: 0.1 }),
    /** Muon updates the matrices of layers by orthogonalized momentum, AdamW the rest, at one learning rate. */
    optimizer: option("--optimizer <name>", "of the matrices: adamw, or muon", choice(optimizers), {
      default: "adamw",
      later: true,
      ...fixed,
    }),
    /** AdamW's decay of the first moment. */
    beta1: option("--beta1 <f>", "AdamW's decay of the first moment", decay, { default: 0.9 }),
    /** AdamW's decay of the second moment. */
    beta2: option("--beta2 <f>", "AdamW's decay of the second moment", decay, { default: 0.999, baby: 0.99 }),
    /** AdamW's epsilon. Below 1e-44 it is 0 in single precision, and the update of a row without gradients 0 / 0. */
    eps: option("--eps <f>", "AdamW's epsilon", real(1e-44), { default: 1e-8 }),
    /** Largest norm of all gradients together; larger ones are scaled down to it. 0 never clips. */
    gradClip: option("--grad-clip <f>", "largest norm of the gradients", real(0), {
      default: 0,
      baby: 1,
      zero: "none",
    }),
    /**
     * Make no update when the loss lies more than so many standard deviations above the mean of the last 128 losses, as
     * llm.c's -sl. 0 makes every update.
     */
    skipLossZ: option(
      "--skip-loss-z <f>",
      "skip an update whose loss is so many standard deviations above the mean of the last 128",
      deviations,
      { default: 0, zero: "never", llmc: "-sl" },
    ),
    /** The same for the norm of the gradients: llm.c's -sg. */
    skipNormZ: option("--skip-norm-z <f>", "the same for the norm of the gradients", deviations, {
      default: 0,
      zero: "never",
      llmc: "-sg",
    }),
    /**
     * When a loss or gradient is NaN or infinite: `stop` throws NotFiniteError; `skip` makes no update, unless it is a weight
     * that is not finite, or it was so in 10 steps in a row.
     */
    onNotFinite: option(
      "--on-nan <what>",
      "stop at a loss or gradient that is NaN or infinite, or skip it",
      choice(["stop", "skip"]),
      { default: "stop", formerly: "onNan" },
    ),
    /**
     * `bf16`, mixed precision: activations and the matrices that forward and backward read are stored in 16 bits; sums, the
     * residual stream, gradients of weights, AdamW and the weights that it updates stay in float32, and so do files. Not on
     * every backend.
     */
    precision: option(
      "--precision <name>",
      "of activations and matrices: fp32, or bf16 for less memory (webgpu, reference)",
      choice(precisions),
      { default: "fp32", later: true },
    ),
    /**
     * Of several processes: 1 shares AdamW's moments out among them (ZeRO-1), so that each holds and updates a part. Losses,
     * weights and checkpoints are the same.
     */
    zeroStage: option(
      "-z, --zero-stage <n>",
      "of several processes: 1 shares AdamW's moments out among them, for less memory (ZeRO-1)",
      whole(0, 1),
      { default: 0, later: true, ...free },
    ),
    /** Of several processes: what gradients travel in between them. bf16 halves the bytes; sums are in float32, and rounded. */
    gradDtype: option(
      "--grad-dtype <name>",
      "of several processes: gradients travel as fp32, or as bf16 in half the bytes",
      choice(precisions),
      { default: "fp32", needs: ["processes"], later: true },
    ),
  },
  Adapter: {
    /**
     * Above 0: a LoRA adapter of this rank is trained, and the model's weights stay as they are. Gradients and moments are the
     * adapter's alone.
     */
    loraRank: option(
      "--lora-rank <n>",
      "train a LoRA adapter of this rank, and leave the model's weights as they are",
      whole(0, limits.C),
      { default: 0, zero: "train the weights", later: true, ...fixed },
    ),
    /** What the adapter adds is scaled by alpha / rank; 0: alpha is twice the rank. */
    loraAlpha: option("--lora-alpha <f>", "what it adds is scaled by alpha / rank", real(0), {
      default: 0,
      shown: "default: 0, twice the rank",
      needs: ["adapter"],
      later: true,
      ...fixed,
    }),
    /** The matrices that it adapts: `all`, or some of qkv, attproj, fc and fcproj, separated by commas. */
    loraTargets: option(
      "--lora-targets <names>",
      "the matrices that it adapts: all, or some of qkv (PEFT's c_attn), attproj, fc, fcproj",
      text,
      { default: "qkv", needs: ["adapter"], later: true, ...fixed },
    ),
    /** Storage of the weights that an adapter leaves as they are: f32, or less memory with bf16 or int8. */
    weights: option(
      "--weights <type>",
      "the model's weights in memory, for less of it; int8 needs widths that are multiples of 32",
      choice(weightTypes),
      { default: "f32", needs: ["adapter"], later: true, ...fixed },
    ),
  },
  "Validation and samples": {
    /** Validate every so many updates, before the first and after the last; 0: never. */
    valEvery: option("-v, --val-every <n>", "validate every n updates", updates, {
      default: 10,
      baby: 250,
      needs: ["validationData"],
      scales: true,
      zero: "never",
    }),
    /** Batches of one validation. */
    valBatches: option("-m, --val-batches <n>", "batches of a validation", batches, {
      default: 10,
      baby: 20,
      needs: ["validationData", "validation"],
    }),
    /** Batches of the last validation, whose result is kept; default: as `valBatches`. */
    finalValBatches: option("--final-val-batches <n>", "batches of the last validation", batches, {
      default: 10,
      baby: 200,
      shown: "default: as -m; baby: 200",
      needs: ["validationData", "validation"],
    }),
    /** Stop when so many validations in a row were no better than the best before them; 0: never. */
    earlyStop: option(
      "--early-stop <n>",
      "stop when n validations in a row were no better",
      counted("validations", 0),
      { default: 0, zero: "never" },
    ),
    /** By how much a validation loss must fall below the best to be better. */
    earlyStopDelta: option(
      "--early-stop-delta <f>",
      "by how much a validation must be better",
      { ...real(0), unit: "nats" },
      { default: 0, needs: ["earlyStop"] },
    ),
    /** Write a sample every so many updates, but not before the first; 0: never. */
    sampleEvery: option("-s, --sample-every <n>", "write a text every n updates", updates, {
      default: 20,
      baby: 250,
      scales: true,
      zero: "never",
    }),
    /** Tokens of a sample. As in llm.c, the end-of-text token that starts it counts; a `samplePrompt` does not. */
    sampleTokens: option("-g, --sample-tokens <n>", "tokens of such a text", tokens, {
      default: 64,
      baby: 128,
      needs: ["samples"],
    }),
  },
  "Run folder": {
    /** Call `checkpoint` also every so many updates; 0: only at the end. */
    checkpointEvery: option("-n, --checkpoint-every <n>", "also save every n updates", updates, {
      default: 0,
      zero: "only at the end",
      needs: ["folder"],
      ...free,
    }),
    /** Number of newest checkpoints to keep; 0: all. */
    keep: option("--keep <n>", "how many of the newest checkpoints are kept", counted("checkpoints", 0), {
      default: 2,
      zero: "all",
      needs: ["folder"],
      llmc: "-nk",
      ...free,
    }),
    /** Checkpoints of updates that this divides are kept for ever; 0: none. */
    keepEvery: option("--keep-every <n>", "besides, keep for ever those of every n updates", updates, {
      default: 0,
      zero: "none",
      needs: ["folder", "checkpoints", "pruning"],
      llmc: "-nm",
      ...free,
    }),
  },
} as const satisfies Readonly<Record<string, Readonly<Record<string, TrainOption>>>>;

type Sections = typeof sections;

/** All options by name. With this type, those that derive from it keep the documentation of each option. */
export const trainOptions: Sections["Model"] &
  Sections["Data"] &
  Sections["Updates"] &
  Sections["Adapter"] &
  Sections["Validation and samples"] &
  Sections["Run folder"] = {
  ...sections.Model,
  ...sections.Data,
  ...sections.Updates,
  ...sections.Adapter,
  ...sections["Validation and samples"],
  ...sections["Run folder"],
};

export type OptionName = keyof typeof trainOptions;

type Values = { readonly [K in keyof typeof trainOptions]: ValueOf<(typeof trainOptions)[K]> };

/** Options that say where a run's model and data come from. All others have a default. */
export const sourceNames = [
  ...(Object.keys(sections.Model) as (keyof Sections["Model"])[]),
  ...(["train", "val", "headerless"] as const),
];

/** Options of a run as chosen; an absent one gets its default. */
export type RunChoices = Partial<Omit<Values, "accumulate" | "warmupShare">>;

/** Settings of a run: every option but the sources, resolved. */
export type TrainSettings = Omit<Values, (typeof sourceNames)[number]>;

const isSource = (name: string) => sourceNames.some((source) => source === name);

export const settingNames = (Object.keys(trainOptions) as OptionName[]).filter(
  (name): name is keyof TrainSettings => !isSource(name),
);

/** The option of a name; undefined where there is none. */
export function optionNamed(name: string): TrainOption | undefined {
  return Object.entries<TrainOption>(trainOptions).find(([known]) => known === name)?.[1];
}

/** The most updates of a run that only its time ends. As many as logs and charts can count. */
export const unlimitedSteps = 2 ** 31 - 1;

/** The value of each option in `names`: from the first of `layers` that has it, else its default. */
export function complete<K extends keyof TrainSettings>(
  names: readonly K[],
  ...layers: readonly Partial<TrainSettings>[]
): Pick<TrainSettings, K> {
  const value = (name: K) => {
    const layer = layers.find((layer) => layer[name] !== undefined);
    return layer ? layer[name] : trainOptions[name].default;
  };
  return Object.fromEntries(names.map((name) => [name, value(name)])) as Pick<TrainSettings, K>;
}
