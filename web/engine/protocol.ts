/**
 * Types of the calls and messages between the page and its engine, a dedicated worker in which everything computes. The
 * page has all texts for people, except messages of errors (those of src/errors.ts) and remarks.
 */

import type { Processor, StartPart } from "../../src/backend/entry.ts";
import type { Availability, BackendName } from "../../src/backend/registry.ts";
import type { Inspection } from "../../src/inspect/inspect.ts";
import type { GPT2Config } from "../../src/model/config.ts";
import type { RunSummary } from "../../src/runs/read-run.ts";
import type { TrainEvent } from "../../src/train/events.ts";
import type { TrainSettings } from "../../src/train/settings.ts";

/** A backend by name, or "auto": whichever makes a run's updates in less time. */
export type BackendChoice = "auto" | BackendName;

/**
 * The user's choice of a backend; the rest is for measurements and tests, from the page's address
 * (`?threads=2&kernel=relaxed-6x8`, `?fallback-adapter`).
 */
export interface EngineOptions {
  /** A name that this browser does not have counts as "auto", which is the default. */
  readonly backend?: string;
  /** True lets a GPU be software. */
  readonly fallbackAdapter?: boolean;
  /** Default: one per core. */
  readonly threads?: number;
  /** Default "auto": the fastest. */
  readonly kernel?: string;
}

/** The backend in use: of the loaded model, and for the next one. */
export interface BackendInfo {
  readonly processor: Processor;
  /** For people: "wasm, relaxed-6x8, 2 threads". */
  readonly description: string;
  /** For people: "2 threads", or the name of a GPU. */
  readonly device: string;
  readonly threads: number;
  /** Name of the kernel, `relaxed-6x8` for instance; "" without a choice. */
  readonly kernel: string;
  /** Fused multiply-add: with a CPU, relaxed SIMD; false: plain SIMD, which every engine supports. */
  readonly relaxed: boolean;
}

/** The backend, and the storage of files. */
export interface DeviceInfo extends BackendInfo {
  /** Fast backends, with the reason for each that is not available. */
  readonly backends: readonly Availability[];
  readonly choice: BackendChoice;
  /** Cores that the browser reports. */
  readonly cores: number;
  /** True if threads can share memory, which takes a cross-origin isolated page; without it there is one thread. */
  readonly sharedMemory: boolean;
  /** Bytes of the largest text that can be prepared here, whatever the storage. */
  readonly maxTextBytes: number;
  readonly storage: StorageInfo;
}

export interface StorageInfo {
  /**
   * `kept`: until the user deletes it; `best-effort`: the browser may evict it; `memory`: the browser provides no storage
   * (some private windows), so that texts live as long as the tab and runs are not saved.
   */
  readonly kind: "kept" | "best-effort" | "memory";
  /** `memory` because the browser's storage is too small for any text. */
  readonly isSmall?: boolean;
  /** Bytes used, and the limit; undefined where the browser does not report them. */
  readonly used?: number;
  readonly quota?: number;
}

// --- Data -----------------------------------------------------------------------------------------------------------

export type TokenizerName = "char" | "byte" | "gpt2";

/** The tokenizer of a text: one of these, subwords trained on the text itself, or the loaded model's. */
export type TextTokenizer = TokenizerName | "bpe" | "model";

/** Training data as the user gives it. */
export type DataInput =
  /** The bundled tiny Shakespeare. */
  | { readonly kind: "shakespeare"; readonly tokenizer: TextTokenizer }
  /** A text that was pasted. */
  | { readonly kind: "text"; readonly text: string; readonly tokenizer: TextTokenizer }
  /**
   * Dropped files: texts of any size, or llm.c's token files (`*train*.bin`, `*val*.bin`, optionally with tokenizer.bin
   * and dataset.json). Their first bytes say which; `tokenizer` applies to texts.
   */
  | { readonly kind: "files"; readonly files: readonly File[]; readonly tokenizer: TextTokenizer };

/** Prepared data, ready for training. */
export interface DataSummary {
  /** For people: "tiny Shakespeare", a file's name; empty for a pasted text. */
  readonly name: string;
  readonly kind: DataInput["kind"];
  /** `huggingface`: a model's own. `unknown`: token files without a tokenizer; their models write token ids only. */
  readonly tokenizer: TokenizerName | "huggingface" | "unknown";
  /** The data came as tokens: the choice of a tokenizer does not apply. */
  readonly hasOwnTokens?: boolean;
  /** Size of the text, or of the token files. */
  readonly bytes: number;
  /** V. */
  readonly vocabSize: number;
  readonly trainTokens: number;
  /** 0: no validation. */
  readonly valTokens: number;
  /** Beginning of the training text; empty where the tokens cannot be decoded. */
  readonly preview: string;
}

// --- Configuration of a run --------------------------------------------------------------------------------------------------

export type ModelChoice =
  /** `baby`, `d6` … `d48`: see `presetConfig`. */
  | { readonly kind: "preset"; readonly name: string }
  /** Layers, heads, and channels, which are a multiple of the heads. The longest sequence is the block. */
  | { readonly kind: "custom"; readonly L: number; readonly NH: number; readonly C: number }
  /** The loaded model, from files or an earlier run: training starts from its weights. */
  | { readonly kind: "opened" };

/** A run: the model, and settings that differ from the command's defaults for it (`llm-ts train`; for `baby` nanoGPT's). */
export interface TrainChoice extends Partial<Omit<TrainSettings, "accumulate">> {
  readonly model: ModelChoice;
}

/** Time of one update on a backend, or the reason for which it cannot make one. */
export interface StepTime {
  readonly backend: BackendName;
  readonly ms?: number;
  readonly problem?: string;
}

/** Times of one update of a configuration on every backend. */
export interface Timing {
  readonly fastest: BackendName;
  readonly steps: readonly StepTime[];
  /** Measured at an earlier start. */
  readonly isRemembered: boolean;
}

/** Size, memory, time and storage of a run, computed before anything is allocated. */
export interface Estimate {
  readonly parameters: number;
  readonly config: GPT2Config;
  /** All settings, defaults included. */
  readonly settings: TrainSettings;
  /** Bytes by purpose; `total` is their sum. */
  readonly memory: {
    readonly weights: number;
    /** Gradients and AdamW's two moments. */
    readonly optimizer: number;
    readonly activations: number;
    /** The key-value cache of samples. */
    readonly sampling: number;
    readonly total: number;
  };
  /** Undefined where it is not known, as of a GPU. */
  readonly memoryLimit?: number;
  readonly fits: boolean;
  /** Only if it does not fit: the largest batch of this block that does; 0: none. */
  readonly fittingBatch?: number;
  /** Measured, if `timing` is known; else within about 30% on an otherwise idle machine. */
  readonly msPerStep: number;
  /** Of this configuration, from an earlier start. */
  readonly timing?: Timing;
  /** Milliseconds of the whole run, validations included. */
  readonly msTotal: number;
  /** Largest size of a run's checkpoints in bytes (two are kept while one is written), and whether the storage has it. */
  readonly storage: number;
  readonly storageFits: boolean;
  /** Message of the error that `start` would throw; undefined: the run can start. */
  readonly problem?: string;
}

// --- A run ----------------------------------------------------------------------------------------------------------

/** The current run, or the last one. */
export interface RunInfo {
  /** The run folder's name, "baby-001"; without a folder the model's. */
  readonly name: string;
  /** True if the run has a folder, from which it can be resumed. */
  readonly isKept: boolean;
  readonly model: ModelSummary;
  readonly data: string;
  readonly batch: number;
  readonly block: number;
  /** Updates planned. */
  readonly steps: number;
  /** Updates before this session, for a run resumed from a checkpoint: events start from there. */
  readonly from: number;
  readonly backend: BackendName;
  /** Times by which "auto" took the backend. */
  readonly timing?: Timing;
}

export type RunState =
  | { readonly phase: "idle" }
  /** The model is being created or read. */
  | { readonly phase: "creating" }
  /** `pausing` and `stopping`: until the step under way is done and saved. */
  | { readonly phase: "training" | "pausing" | "paused" | "stopping"; readonly run: RunInfo }
  /**
   * `stopped`: by the user, and can be resumed if it is kept; `done`: all updates were made. The model stays loaded.
   * `isSaved`: the last update and the whole log are in storage.
   */
  | { readonly phase: "stopped" | "done"; readonly run: RunInfo; readonly isSaved: boolean }
  /** `run`: the failed run, which can be resumed from its last checkpoint (see `stored`). `isBug`: an unexpected error. */
  | { readonly phase: "failed"; readonly run?: RunInfo; readonly message: string; readonly isBug: boolean };

/** A task in progress. `share`: the part that is done, 0 to 1, where it is known. */
export interface Activity {
  readonly what: "preparing" | "creating" | "opening" | "saving" | "exporting" | "measuring" | "starting";
  readonly share?: number;
  /** The part of a GPU's first start that is under way. */
  readonly part?: StartPart;
}

/** Changes since the last update: at most ten updates a second, one a second for steps. Absent fields did not change. */
export interface EngineUpdate {
  /** All events of the run since the last update, in order: steps, validations, samples, checkpoints. */
  readonly events: readonly TrainEvent[];
  readonly state?: RunState;
  /** null: none. */
  readonly activity?: Activity | null;
  /** null: none. */
  readonly data?: DataSummary | null;
  readonly model?: ModelSummary | null;
  readonly device?: BackendInfo;
  /** Warnings, such as a full storage. In English, as errors are. */
  readonly remarks: readonly string[];
  /** Reason for which the newest state of the run is not in storage; null: it is saved. */
  readonly unsaved?: string | null;
}

// --- The loaded model -----------------------------------------------------------------------------------------------

export interface ModelSummary {
  /** "baby", "gpt2_124M.bin", "baby-001". */
  readonly name: string;
  readonly config: GPT2Config;
  readonly parameters: number;
  /** Undefined: no tokenizer of V tokens was found, so the model neither reads nor writes text. */
  readonly tokenizer?: "char" | "byte" | "gpt2" | "huggingface" | "unknown";
  /** True if it has learned conversations: it has a chat template. */
  readonly chats?: boolean;
  /** All characters of a character tokenizer. */
  readonly characters?: string;
  /** Updates made in this tab. */
  readonly step?: number;
}

export interface WriteOptions {
  /** Default 200. */
  readonly maxTokens?: number;
  /** 0: greedy. Default 1. */
  readonly temperature?: number;
  /** 0: off. */
  readonly topK?: number;
  /** 1: off. */
  readonly topP?: number;
  /** Default 1337. The same seed and weights write the same text. */
  readonly seed?: number;
}

export interface WriteResult {
  /** Without the prompt. */
  readonly text: string;
  readonly tokens: number;
  readonly ms: number;
  /** Updates of the model when the text ended: it may be training. */
  readonly step?: number;
  readonly reason: "length" | "end-of-text" | "interrupted";
}

/** What a conversation is so far, and the next message. */
export interface ChatRequest {
  /** Instructions before it; empty: none. */
  readonly system: string;
  /** A question and its answer each. */
  readonly turns: readonly ChatTurn[];
  readonly message: string;
}

export interface ChatTurn {
  readonly role: "user" | "assistant";
  readonly content: string;
}

export interface ChatAnswer {
  readonly text: string;
  /** `end-of-text`: the model ended its turn. */
  readonly reason: WriteResult["reason"];
  /** The oldest turns, which did not fit the model's positions and were left out. */
  readonly leftOut: number;
}

/** The result of looking inside the model. */
export interface LookResult {
  /** The attention's array is transferred, not copied. */
  readonly inspection: Inspection;
  /** The model at that time. */
  readonly model: ModelSummary;
  readonly ms: number;
}

export type ExportFormat = "bin" | "safetensors" | "config" | "tokenizer";

// --- Runs in the tab's storage --------------------------------------------------------------------------------------

/** A run in the tab's storage. */
export interface StoredRun extends RunSummary {
  /** True if it can be resumed: incomplete, not locked, and its data exists. */
  readonly canResume: boolean;
  /** The backend that it was given last. */
  readonly backend: BackendName;
  /** Bytes of all its files. */
  readonly bytes: number;
}

/** Details of one run for the Runs view, as the server's /api/runs/NAME. */
export interface RunDetail {
  readonly summary: RunSummary;
  /** Content of config.json; llm.c's runs have none. */
  readonly config: Readonly<Record<string, unknown>> | undefined;
  readonly samples: readonly { readonly step: number; readonly text: string }[];
  /** Lines that could not be read. */
  readonly broken: number;
}

// --- The engine -----------------------------------------------------------------------------------------------------

/**
 * The worker's methods. They reject with LlmErrors; anything else is a bug. `client.ts` derives the page's side from it,
 * with AbortSignals in place of the `cancel` methods.
 */
export interface Engine {
  /** Call before any other method. */
  configure(options: EngineOptions): Promise<void>;
  /** Starts the backend if it is not running. */
  device(): Promise<DeviceInfo>;
  /** Chooses the backend, and moves the loaded model to it. If that fails, nothing has changed. */
  choose(choice: BackendChoice): Promise<DeviceInfo>;
  /** Resolves to the present state; `listener` gets every change from then on. One listener at a time: a new one replaces it. */
  subscribe(listener: (update: EngineUpdate) => void): Promise<EngineUpdate>;
  /** `client.ts` has `keepStorage` instead: only a page can ask the browser for persistent storage. */
  storage(): Promise<StorageInfo>;

  /** Turns a text into token files in the storage. Replaces earlier data only when it is ready. */
  prepare(input: DataInput): Promise<DataSummary>;
  cancelPrepare(): Promise<void>;

  estimate(choice: TrainChoice): Promise<Estimate>;
  /** Starts a run on the prepared data; resolves when it is training. */
  start(choice: TrainChoice): Promise<RunInfo>;
  /** Pauses after the current step, and saves. Resolves when that is done. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Ends the run after the current step, and saves. Resolves when that is done. */
  stop(): Promise<void>;
  /** Saves after the current step: for a page about to be hidden or closed. */
  saveSoon(): Promise<void>;

  /** Continues a text with the loaded model, also while it trains. `onPiece` gets whole characters. */
  write(prompt: string, options: WriteOptions, onPiece: (text: string) => void): Promise<WriteResult>;
  cancelWrite(): Promise<void>;
  /** The next answer of a conversation, which the page keeps. `cancelWrite` ends it early. */
  chat(request: ChatRequest, options: WriteOptions, onPiece: (text: string) => void): Promise<ChatAnswer>;

  /**
   * Looks inside the loaded model (`inspect` of src/inspect, with the ten best candidates); during training, between two
   * updates. `onProgress` gets the part that is done, 0 to 1. Cancelling rejects with an AbortError.
   */
  look(prompt: string, onProgress: (share: number) => void): Promise<LookResult>;
  cancelLook(): Promise<void>;

  /** Loads a model: .bin or .safetensors, with config.json, tokenizer.bin or dataset.json where needed. */
  open(files: readonly File[]): Promise<ModelSummary>;
  /**
   * The loaded model as files: one, except a tokenizer of the hub's, which may have several. `config` is the config.json
   * that transformers needs beside a .safetensors.
   */
  export(format: ExportFormat): Promise<File[]>;

  /** The runs in this tab's storage, the newest first. */
  stored(): Promise<StoredRun[]>;
  /**
   * Resumes a run from its newest checkpoint, bit for bit, on `backend`: by default the chosen one, and with "auto" the one
   * that it was given last, if that is available. A remark says if it is another one than before.
   */
  resumeRun(name: string, backend?: BackendName): Promise<RunInfo>;
  /** Loads the model of a stored run: to write, look inside, export, or train it on. */
  openRun(name: string): Promise<ModelSummary>;
  deleteRun(name: string): Promise<void>;

  /** For the Runs view. `folder` is the folder's name. */
  summaries(): Promise<RunSummary[]>;
  detail(name: string): Promise<RunDetail>;
  /** The run's curves, encoded by `encodeColumns` of src/runs/columns.ts; transferred, not copied. */
  columns(name: string): Promise<ArrayBuffer>;
}
