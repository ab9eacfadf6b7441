/// <reference lib="esnext.disposable" preserve="true" />
/**
 * llm.ts: train, fine-tune and run GPT-2 on a CPU.
 *
 *     import { GPT2, TokenLoader, Trainer } from "llm-ts";
 *
 *     const model = await GPT2.load("gpt2_124M.bin", { threads: 4 });
 *     const trainer = new Trainer(model, { learningRate: 3e-4, weightDecay: 0.1 });
 *     const loader = await TokenLoader.open("train.bin", { B: 4, T: 64 });
 *     for await (const event of trainer.run(loader, { steps: 40 }))
 *       if (event.type === "step") console.log(event.step, event.loss);
 *     for await (const piece of model.generate("First Citizen:", { maxTokens: 64, temperature: 0.8, seed: 1337 }))
 *       process.stdout.write(piece);
 *     await model.save("out.bin");
 *     await model.dispose();
 *
 * Everything that can go wrong is an LlmError with a message made for people.
 */

export { type Answer, Chat, type ChatOptions } from "./api/chat.ts";
export { GPT2 } from "./api/gpt2.ts";
export type { CreateOptions, GenerateOptions, LoadOptions, ModelOptions, SampleOptions } from "./api/options.ts";
export type {
  AdamWOptions,
  AttentionShape,
  Backend,
  BackendLimits,
  BackendPromises,
  Blas,
  DeviceBuffer,
  DType,
  GeluForm,
  Gradient,
  HeadLoss,
  KVCache,
  Linear,
  Normalized,
  Operations,
  Precision,
  Probe,
  Probes,
  QueueDevice,
  Tensor,
  WeightType,
} from "./backend/backend.ts";
export type { BackendOptions, OnStart, StartPart } from "./backend/entry.ts";
export { type BackendName, backendNames, createBackend, type KernelName } from "./backend/registry.ts";
export type { Batch } from "./data/batch.ts";
export { type Dataset, type DatasetSplit, findTokenizer, openTokenizer, readDataset } from "./data/dataset.ts";
export { TokenLoader, type TokenLoaderOptions } from "./data/loader.ts";
export type { DataOrder, LoaderPosition } from "./data/order.ts";
export { type PrepareOptions, type PrepareProgress, prepareText, prepareTinyshakespeare } from "./data/prepare.ts";
export { type PrepareChatOptions, prepareChat } from "./data/prepare-chat.ts";
export {
  type TrainedTokenizer,
  type TrainTokenizerOptions,
  trainTokenizer,
  writeTokenizer,
} from "./data/train-tokenizer.ts";
export {
  BackendError,
  InputError,
  LlmError,
  MemoryError,
  NotFiniteError,
  type NotFiniteTensor,
  type NotText,
  NotTextError,
  UsageError,
} from "./errors.ts";
export type { TokenLogprob } from "./generate/logprobs.ts";
export type { SamplingOptions } from "./generate/sampler.ts";
export type { EndEvent, FinishReason, GenerateEvent, TokenEvent } from "./generate/samples.ts";
export { alone, type Group, type Rank } from "./group/group.ts";
export { type Inspection, type InspectOptions, inspect, mostInspected } from "./inspect/inspect.ts";
export type { Predictions } from "./inspect/predictions.ts";
export { type GPT2Config, makeConfig, presetConfig, presetNames, pretrainedFile } from "./model/config.ts";
export type { AdapterSet, LoraConfig } from "./model/lora.ts";
export { type MemoryPlan, memoryNeeded } from "./model/memory.ts";
export { parameterCount, type TensorName, tensorNames, tensorShapes } from "./model/parameters.ts";
export type { Parameters, TensorSet } from "./model/tensor-set.ts";
export { type Checkpoint, restoreCheckpoint } from "./runs/checkpoint.ts";
export { RunFolder } from "./runs/run-folder.ts";
export { byteTokenizer } from "./tokenizer/byte.ts";
export { charTokenizer, charTokenizerOf } from "./tokenizer/char.ts";
export { gpt2Tokenizer } from "./tokenizer/gpt2.ts";
export {
  type EncodeOptions,
  type EncodeStream,
  TextStream,
  type Tokenizer,
  type TokenizerKind,
} from "./tokenizer/tokenizer.ts";
export type {
  CheckpointEvent,
  DoneEvent,
  SampleEvent,
  StepEvent,
  TrainEvent,
  ValEvent,
} from "./train/events.ts";
export type { BatchSource, RunOptions, TrainerOptions } from "./train/options.ts";
export { learningRateAt, type ScheduleName, type ScheduleOptions, scheduleNames } from "./train/schedule.ts";
export type { TrainerState } from "./train/state.ts";
export { type AdapterState, Trainer } from "./train/trainer.ts";
