/**
 * What the page and its engine (a dedicated worker, in which everything computes) say to each other: types alone. Texts
 * for people are the page's business, but for messages of errors, which are those of src/errors.ts, and remarks.
 */
import type { DataOrder } from "../../src/data/order.ts";
import type { Inspection } from "../../src/inspect/inspect.ts";
import type { GPT2Config } from "../../src/model/config.ts";
import type { RunSummary } from "../../src/runs/read-run.ts";
import type { TrainEvent } from "../../src/train/events.ts";
import type { ScheduleName } from "../../src/train/schedule.ts";

/** How the engine is to compute; from the page's address (`?threads=2&kernel=relaxed-6x8`), for measuring. */
export interface EngineOptions {
  /** Default: one a core. */
  readonly threads?: number;
  /** Default "auto": the fastest. */
  readonly kernel?: string;
}

/** What computes here, and what keeps files. */
export interface DeviceInfo {
  /** For people: "wasm, relaxed-6x8, 2 threads". */
  readonly description: string;
  readonly threads: number;
  /** Cores that the browser tells of. */
  readonly cores: number;
  /** Which kernels: `relaxed-6x8` and the like. */
  readonly kernel: string;
  /** Relaxed SIMD: a fused multiply-add. Without it the kernels are plain ones, known everywhere. */
  readonly relaxed: boolean;
  /** Whether threads can share memory: in an isolated page, where the browser knows it. Without it there is one thread. */
  readonly sharedMemory: boolean;
  /** Bytes that models, gradients and activations may take together. */
  readonly memoryLimit: number;
  /** Bytes of the largest text that can be prepared here, whatever the storage. */
  readonly mostTextBytes: number;
  readonly storage: StorageInfo;
}

export interface StorageInfo {
  /**
   * `kept`: until the person deletes it; `best-effort`: until the browser needs the room; `memory`: the browser gives no
   * storage (some private windows), so texts live as long as the tab, and runs are not kept.
   */
  readonly kind: "kept" | "best-effort" | "memory";
  /** In memory since the browser gives some storage, but too little for any text. */
  readonly isSmall?: boolean;
  /** Bytes in use, and that may be used in all; undefined where the browser does not tell. */
  readonly used?: number;
  readonly quota?: number;
}

// --- Data -----------------------------------------------------------------------------------------------------------

export type TokenizerName = "char" | "byte" | "gpt2";

/** How a text is cut: as one of these, or as the loaded model does. */
export type TextTokenizer = TokenizerName | "model";

/** What to learn from. */
export type DataInput =
  /** The bundled tiny Shakespeare. */
  | { readonly kind: "shakespeare"; readonly tokenizer: TextTokenizer }
  /** A text that was pasted. */
  | { readonly kind: "text"; readonly text: string; readonly tokenizer: TextTokenizer }
  /**
   * Files that were dropped: texts of any size, or llm.c's token files (`*train*.bin`, `*val*.bin`, and where they lie
   * beside them tokenizer.bin and dataset.json). They are told apart by their first bytes; `tokenizer` is for texts.
   */
  | { readonly kind: "files"; readonly files: readonly File[]; readonly tokenizer: TextTokenizer };

/** Data that is ready to train on. */
export interface DataSummary {
  /** For people: "tiny Shakespeare", a file's name; empty for a pasted text. */
  readonly name: string;
  readonly kind: DataInput["kind"];
  /** `huggingface`: a model's own. `unknown`: token files of which nobody knows the tokenizer: models can be trained, but write token ids alone. */
  readonly tokenizer: TokenizerName | "huggingface" | "unknown";
  /** It was dropped as tokens, which no choice of a tokenizer changes. */
  readonly hasOwnTokens?: boolean;
  /** Of the text; of token files: of the files. */
  readonly bytes: number;
  /** Different tokens: V. */
  readonly vocabSize: number;
  readonly trainTokens: number;
  /** 0: there is no validation. */
  readonly valTokens: number;
  /** How the training text begins; empty where tokens cannot be read. */
  readonly preview: string;
}

// --- What to train --------------------------------------------------------------------------------------------------

export type ModelChoice =
  /** `baby`, `d6` … `d48`: see `presetConfig`. */
  | { readonly kind: "preset"; readonly name: string }
  /** Layers, heads, and channels, which are a multiple of the heads. The longest sequence is the block. */
  | { readonly kind: "custom"; readonly L: number; readonly NH: number; readonly C: number }
  /** The model that is there: opened from files or of an earlier run. Its weights are the start. */
  | { readonly kind: "opened" };

/** A run: the model, and what differs from the command's defaults for it (`llm-ts train`; for `baby` nanoGPT's). */
export interface TrainChoice {
  readonly model: ModelChoice;
  /** B and T. */
  readonly batch?: number;
  readonly block?: number;
  /** Updates. */
  readonly steps?: number;
  /** Peak learning rate. */
  readonly lr?: number;
  readonly schedule?: ScheduleName;
  readonly warmup?: number;
  readonly finalLrFraction?: number;
  readonly weightDecay?: number;
  readonly gradClip?: number;
  readonly beta2?: number;
  readonly valEvery?: number;
  readonly valBatches?: number;
  readonly finalValBatches?: number;
  readonly sampleEvery?: number;
  readonly sampleTokens?: number;
  readonly order?: DataOrder;
  /** Of weights, order and samples; default 42, 42 and 1337 as in llm.c. */
  readonly seed?: number;
}

/** What a choice comes to, before anything is allocated. */
export interface Estimate {
  readonly parameters: number;
  readonly config: GPT2Config;
  /** Every setting, with the defaults filled in. */
  readonly settings: Required<Omit<TrainChoice, "model" | "seed">>;
  /** Bytes by what they are for; `total` is their sum. */
  readonly memory: {
    readonly weights: number;
    /** Gradients and AdamW's two moments. */
    readonly optimizer: number;
    readonly activations: number;
    /** Keys and values of samples. */
    readonly sampling: number;
    readonly total: number;
  };
  readonly memoryLimit: number;
  readonly fits: boolean;
  /** Where it does not fit: the largest batch of this block that does; 0: none does. */
  readonly fittingBatch?: number;
  /** Within about 30%, for as long as the machine does nothing else. */
  readonly msPerStep: number;
  /** Milliseconds of the whole run, validations included. */
  readonly msTotal: number;
  /** Bytes that a run's checkpoints take at most (two are kept while one is written); whether there is that room. */
  readonly storage: number;
  readonly storageFits: boolean;
  /** Why it cannot be trained as it is, in the words of the error that `start` would throw; undefined when it can. */
  readonly problem?: string;
}

// --- A run ----------------------------------------------------------------------------------------------------------

/** The run that is under way, or that was the last. */
export interface RunInfo {
  /** The run folder's name, "baby-001"; without a folder the model's. */
  readonly name: string;
  /** Whether there is a folder, so that the run can go on after it was stopped. */
  readonly isKept: boolean;
  readonly model: ModelSummary;
  readonly data: string;
  readonly batch: number;
  readonly block: number;
  /** Updates planned. */
  readonly steps: number;
  /** Updates that were made before, when it goes on from a checkpoint: the events go on from there. */
  readonly from: number;
}

export type RunState =
  | { readonly phase: "idle" }
  /** The model is being made or read. */
  | { readonly phase: "creating" }
  /** `pausing` and `stopping`: until the step under way is done and saved. */
  | { readonly phase: "training" | "pausing" | "paused" | "stopping"; readonly run: RunInfo }
  /**
   * `stopped`: by the person, and can go on if it is kept; `done`: all updates were made. The model is there. `isSaved`:
   * its last update and its whole log are in storage.
   */
  | { readonly phase: "stopped" | "done"; readonly run: RunInfo; readonly isSaved: boolean }
  /** `run`: as far as it got; what was saved can go on (see `stored`). `isBug`: the message is none for people. */
  | { readonly phase: "failed"; readonly run?: RunInfo; readonly message: string; readonly isBug: boolean };

/** Something that takes a while. `share`: 0 to 1, where it is known. */
export interface Activity {
  readonly what: "preparing" | "creating" | "opening" | "saving" | "exporting" | "measuring";
  readonly share?: number;
}

/** What the engine tells at most ten times a second, of steps once. What is absent did not change. */
export interface EngineUpdate {
  /** Everything that the run reported since the last update, in order: every step, validations, samples, checkpoints. */
  readonly events: readonly TrainEvent[];
  readonly state?: RunState;
  /** null: it is over. */
  readonly activity?: Activity | null;
  /** null: there is none any more. */
  readonly data?: DataSummary | null;
  readonly model?: ModelSummary | null;
  /** What a person should know and nothing stops for: the storage is full, say. In English, as errors are. */
  readonly remarks: readonly string[];
  /** Whether the newest state of the run is not in storage, and why; null: it is again. */
  readonly unsaved?: string | null;
}

// --- The model that is there ----------------------------------------------------------------------------------------

export interface ModelSummary {
  /** "baby", "gpt2_124M.bin", "baby-001". */
  readonly name: string;
  readonly config: GPT2Config;
  readonly parameters: number;
  /** How it reads and writes text; undefined: it does not, since no tokenizer of V tokens was found. */
  readonly tokenizer?: "char" | "byte" | "gpt2" | "huggingface" | "unknown";
  /** Of a character tokenizer: all that it can encode. */
  readonly characters?: string;
  /** Updates that this tab made. */
  readonly step?: number;
}

export interface WriteOptions {
  /** Default 200. */
  readonly maxTokens?: number;
  /** 0: always the most probable. Default 1. */
  readonly temperature?: number;
  /** 0: all. */
  readonly topK?: number;
  /** 1: all. */
  readonly topP?: number;
  /** Default 1337; the same seed writes the same text with the same weights. */
  readonly seed?: number;
}

export interface WriteResult {
  /** Without the prompt. */
  readonly text: string;
  readonly tokens: number;
  readonly ms: number;
  /** Updates that the model had at its end: it may have been trained meanwhile. */
  readonly step?: number;
  readonly reason: "length" | "end-of-text" | "interrupted";
}

/** What was seen inside the model. */
export interface LookResult {
  /** Its arrays are transferred, not copied. */
  readonly inspection: Inspection;
  /** The model that was looked into, with the updates that it had then. */
  readonly model: ModelSummary;
  readonly ms: number;
}

export type ExportFormat = "bin" | "safetensors" | "config" | "tokenizer";

// --- Runs in the tab's storage --------------------------------------------------------------------------------------

/** A run that is kept here. */
export interface StoredRun extends RunSummary {
  /** Whether it can go on: it is not complete, nobody has it, and its data is there. */
  readonly canContinue: boolean;
  /** Bytes of all its files. */
  readonly bytes: number;
}

/** What the Runs view shows of one run: as the server's /api/runs/NAME. */
export interface RunDetail {
  readonly summary: RunSummary;
  /** The content of config.json; llm.c's runs have none. */
  readonly config: Readonly<Record<string, unknown>> | undefined;
  readonly samples: readonly { readonly step: number; readonly text: string }[];
  /** Lines that could not be read. */
  readonly broken: number;
}

// --- The engine -----------------------------------------------------------------------------------------------------

/**
 * What the worker offers. Everything rejects with errors for people (LlmError) unless there is a bug. `client.ts` has
 * the same for the page, with AbortSignals in place of the `cancel` methods and errors as they were thrown.
 */
export interface Engine {
  /** How to compute, before anything does. */
  configure(options: EngineOptions): Promise<void>;
  /** Starts what computes, where it has not started yet. */
  device(): Promise<DeviceInfo>;
  /** The state as it is, and from then on every change. One listener at a time: another one takes its place. */
  subscribe(listener: (update: EngineUpdate) => void): Promise<EngineUpdate>;
  /** `client.ts` has `keepStorage` instead: only a page can ask the browser to keep what is stored. */
  storage(): Promise<StorageInfo>;

  /** Turns a text into token files in the storage. What was prepared before stays until this one is ready. */
  prepare(input: DataInput): Promise<DataSummary>;
  cancelPrepare(): Promise<void>;

  estimate(choice: TrainChoice): Promise<Estimate>;
  /** Begins a run on the prepared data; resolves when it is under way. */
  start(choice: TrainChoice): Promise<RunInfo>;
  /** Ends with the step under way, and saves. Resolves when that is done. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Ends the run after the step under way, and saves. Resolves when that is done. */
  stop(): Promise<void>;
  /** The page is about to be hidden or closed: saves after the step under way. */
  saveSoon(): Promise<void>;

  /** Continues a text with the model as it is, also while it trains. `onPiece` gets whole characters. */
  write(prompt: string, options: WriteOptions, onPiece: (text: string) => void): Promise<WriteResult>;
  cancelWrite(): Promise<void>;

  /**
   * Looks inside the model as it is (`inspect` of src/inspect, with the ten best candidates): between two updates, where it
   * trains. `onProgress` gets the share that is done, 0 to 1. Cancelling rejects with an AbortError.
   */
  look(prompt: string, onProgress: (share: number) => void): Promise<LookResult>;
  cancelLook(): Promise<void>;

  /** Reads a model: .bin or .safetensors, with config.json, tokenizer.bin or dataset.json where they are needed. */
  open(files: readonly File[]): Promise<ModelSummary>;
  /**
   * The model as it is: one file, but for a tokenizer of the hub's, which may have several. `config` is what transformers
   * wants beside a .safetensors.
   */
  export(format: ExportFormat): Promise<File[]>;

  /** The runs in this tab's storage, the newest first. */
  stored(): Promise<StoredRun[]>;
  /** Goes on from the newest checkpoint of a run, bit for bit. */
  continueRun(name: string): Promise<RunInfo>;
  /** Takes the model of a stored run, to write with it, look inside, export it, or train on. */
  openRun(name: string): Promise<ModelSummary>;
  deleteRun(name: string): Promise<void>;

  /** For the Runs view. `folder` is the folder's name. */
  summaries(): Promise<RunSummary[]>;
  detail(name: string): Promise<RunDetail>;
  /** The run's curves as `encodeColumns` of src/runs/columns.ts has them; transferred, not copied. */
  columns(name: string): Promise<ArrayBuffer>;
}
