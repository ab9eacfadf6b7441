import { knownBase } from "../api/adapter-base.ts";
import { requireModel } from "../api/generation.ts";
import type { GPT2 } from "../api/gpt2.ts";
import { writeBatch } from "../data/batch.ts";
import { shown, UsageError } from "../errors.ts";
import { alone, checkGroup, type Group } from "../group/group.ts";
import { together } from "../group/together.ts";
import {
  type AdapterTraining,
  adapterCount,
  allocAdapterTraining,
  initializeAdapter,
  type LoraConfig,
} from "../model/lora.ts";
import { heldByOthers, type MemoryPlan, requireMemory } from "../model/memory.ts";
import { allocMuonScratch } from "../model/muon-memory.ts";
import { parameterCount } from "../model/parameters.ts";
import { TensorScope } from "../model/tensor-scope.ts";
import { allocTrainingTensors, computedWith, type TensorsOfTraining } from "../model/tensor-set.ts";
import { requireFolder, requireOptions } from "../option-names.ts";
import { textLengths } from "../tokenizer/tokenizer.ts";
import { fetchBatches, goTo, type StepBatches } from "./batches.ts";
import { checkOptimizer, checkPrecision, checkTrainerOptions, checkZeroStage } from "./checks.ts";
import { evaluate } from "./evaluate.ts";
import type { DoneEvent, TrainEvent } from "./events.ts";
import { checkLora, loraOf } from "./lora-options.ts";
import {
  type BatchSource,
  type RunOptions,
  runOptions,
  type TrainerOptions,
  trainerOptionNames,
  trainerOptions,
} from "./options.ts";
import { allocRunMemory, type CheckpointPlan, planRun, type RunMemory, type RunPlan, trainerMemory } from "./plan.ts";
import { requireSameWeights } from "./same-weights.ts";
import { writeSample } from "./sample.ts";
import { saveAdapter } from "./save-adapter.ts";
import { learningRateAt, learningRateInTime } from "./schedule.ts";
import { complete } from "./settings.ts";
import { type Moment, SharedMoments } from "./shared-moments.ts";
import { checkState, initialState, recordValidation, type TrainerState } from "./state.ts";
import { trainingStep } from "./step.ts";
import { TimeBudget } from "./time-budget.ts";

/** An adapter that is trained, and AdamW's moments of it. */
export type AdapterState = Omit<AdapterTraining, "grads">;

/** What a trainer holds in memory. */
interface Held {
  readonly tensors: TensorsOfTraining;
  /** Of the weights; none where an adapter is trained. */
  readonly moments?: Readonly<Record<"m" | "v", Moment>>;
  readonly adapter?: AdapterTraining;
  /** Where each member of the group holds a part of the moments. */
  readonly shared?: SharedMoments;
}

/**
 * Trains a model with AdamW, as llm.c's training loop does.
 *
 *     const trainer = new Trainer(model, { learningRate: 1e-3 });
 *     for await (const event of trainer.run(loader, { steps: 100 })) console.log(event);
 *
 * `run` may be called again: AdamW's moments and the count of updates stay with the trainer until `dispose`.
 *
 * Weights, `moments` and `state` are all there is: another trainer that gets them continues bit for bit as this one would.
 *
 * With `loraRank` it trains a LoRA adapter (`adapter`) in place of the weights, which stay as they are.
 */
export class Trainer {
  readonly model: GPT2;
  readonly options: Required<TrainerOptions>;
  readonly #group: Group;
  #state = initialState();
  /** Between `restore` and the run that continues from there. */
  #restored = false;
  #running = false;
  /** Start of the current run, in milliseconds of performance.now. */
  #began: number | undefined;
  /** Gradients and moments, once they are allocated, and what gives them back. */
  #held: Held | undefined;
  /** The adapter, once it is allocated and has its first values. */
  #begun: Promise<void> | undefined;
  readonly #lora: LoraConfig | undefined;
  readonly #memory: TensorScope;

  /**
   * `group`: the processes that train this model together; each has a trainer of its own and loaders of its rank. UsageError
   * when an option is out of its range. Nothing is allocated before `run` or `moments`.
   */
  constructor(model: GPT2, options: TrainerOptions = {}, group: Group = alone) {
    requireModel(model);
    this.model = model;
    this.#group = group;
    this.#memory = new TensorScope(model.backend);
    requireOptions("Trainer", options, trainerOptions, { "Trainer.run": runOptions });
    checkGroup(group);
    this.options = complete(trainerOptionNames, options);
    checkTrainerOptions(this.options);
    checkLora(this.options);
    checkOptimizer(this.options);
    checkZeroStage(this.options, group);
    checkPrecision(model.backend, model.config, this.options.precision);
    this.#lora = loraOf(this.options, model.config);
    const { dtype } = model.parameters.weights;
    if (dtype !== "f32" && !this.#lora)
      throw new UsageError(
        `This model's weights are ${dtype}, for generating only. Load it in float32 to train it, or train an adapter (loraRank).`,
      );
  }

  /** Updates made so far, those skipped included. */
  get step(): number {
    return this.#state.step;
  }

  /** A copy of all that the trainer knows besides weights and moments. To be taken between events of a run, or after. */
  state(): TrainerState {
    return { ...structuredClone(this.#state), ms: this.#ms };
  }

  /** Milliseconds of all runs so far, the one under way included. */
  get #ms(): number {
    const now = this.#began === undefined ? 0 : performance.now() - this.#began;
    return (this.#state.ms ?? 0) + now;
  }

  /**
   * Takes over another trainer's `state`; weights and moments are to be written by the caller. The next run then seeks
   * its loader, makes no validation at its start but one that the other trainer still owed, and continues from there.
   * InputError when the state is damaged.
   */
  restore(state: TrainerState): void {
    if (this.#running) throw new UsageError("This trainer is running. Wait for the run to end.");
    checkState(state);
    // JSON has null for NaN.
    this.#state = { ...structuredClone(state), loss: state.loss === null ? Number.NaN : state.loss };
    this.#restored = true;
  }

  /**
   * AdamW's running means of gradients and squared gradients, to be saved and filled; with `zeroStage` 1 by rank 0, within a
   * run's `checkpoint` or `inRank0`. MemoryError if there is no room, UsageError where an adapter is trained.
   */
  moments(): Readonly<Record<"m" | "v", Moment>> {
    const { moments } = this.#required();
    if (!moments) throw new UsageError("This trainer trains an adapter: Trainer.adapter gives it, with its moments.");
    return moments;
  }

  /**
   * The adapter that is trained and AdamW's moments of it, to be saved and filled; undefined without `loraRank`. MemoryError if
   * there is no room.
   */
  async adapter(): Promise<AdapterState | undefined> {
    if (!this.#lora) return undefined;
    const { adapter } = this.#required();
    await this.#begin();
    return adapter;
  }

  /**
   * Writes the adapter that is trained into a folder, as PEFT does, for `adapter` of `GPT2.load`. `base`: path of the model that
   * it adapts, by whose content it is known again, or its name on the hub. UsageError without `loraRank`.
   */
  async saveAdapter(folder: string, base: string): Promise<void> {
    requireFolder("The folder", folder);
    if (typeof base !== "string" || base === "")
      throw new UsageError(
        `The base is ${shown(base)}, expected the path of the model that is adapted, or its name on the hub.`,
      );
    const adapter = await this.adapter();
    if (!adapter)
      throw new UsageError("This trainer trains weights, not an adapter: save the model, or give it loraRank.");
    const known = await knownBase(base);
    await this.model.holdWeights(() => saveAdapter(folder, this.model, adapter, known));
  }

  #required(): Held {
    const { backend, config } = this.model;
    requireMemory(backend, config, trainerMemory(this, this.#group), heldByOthers(backend, config, this.#own));
    return this.#allocate();
  }

  /** Gives an adapter its first values, once. */
  #begin(): Promise<void> {
    const { adapter } = this.#allocate();
    this.#begun ??= adapter ? initializeAdapter(this.model.backend, adapter, this.options.seed) : Promise.resolve();
    return this.#begun;
  }

  /**
   * In all members of the group: rank 0 does `work`, in which it may read and write moments, and the others wait for that.
   * Undefined in them. AgreedError in all where it fails with an LlmError.
   */
  async inRank0<R>(work: () => Promise<R>): Promise<R | undefined> {
    const group = this.#group;
    if (this.options.zeroStage === 0) return together(group, async () => (group.rank === 0 ? work() : undefined));
    await together(group, async () => this.moments());
    const served = this.#allocate().shared?.serve(work);
    // An error of a member that serves ends it, and so all.
    if (group.rank > 0) await served;
    return together(group, async () => served);
  }

  /**
   * Makes `steps` updates and reports what happens, in llm.c's order: before each update the validation, then the
   * sample, where it is time for them, and once more after the last update. Work proceeds only while events are asked
   * for. Leaving the loop early is safe; the activations' memory is given back either way. The batches after those
   * under way are fetched ahead; when the run ends early, a loader that can seek goes back to them.
   *
   * Throws UsageError and MemoryError before anything is allocated, BackendError on a device that computes wrong in this precision,
   * InputError for a token outside the vocabulary,
   * and NotFiniteError when a loss or gradient is NaN or infinite: before the update, so the weights stay as they were.
   */
  async *run(loader: BatchSource, options: RunOptions): AsyncGenerator<TrainEvent, void, undefined> {
    if (this.#running) throw new UsageError("This trainer is already running. Wait for that run to end.");
    const plan = planRun(this, this.#own, loader, options, this.#group);
    this.#running = true;
    this.#began = performance.now();
    try {
      const restored = this.#restored;
      if (restored) await goTo(loader, this.#state.loader);
      await this.model.backend.selfCheck?.(this.options.precision);
      const held = this.#allocate();
      await this.#begin();
      const { tensors } = held;
      const { backend, parameters } = this.model;
      // Others may have written the weights since the last update.
      await tensors.copy?.copyMatrices(backend, parameters.weights);
      const memory = new TensorScope(backend);
      try {
        const activations = allocRunMemory(memory, this.model, plan);
        this.#restored = false;
        yield* this.#events(plan, activations, held, restored);
      } finally {
        await memory.free();
        if (loader.seek) await goTo(loader, this.#state.loader);
      }
    } finally {
      this.#state.ms = this.#ms;
      this.#began = undefined;
      this.#running = false;
    }
  }

  /** Gives the memory of gradients and moments back, and forgets the moments. The model stays. */
  async dispose(): Promise<void> {
    if (this.#running) throw new UsageError("This trainer is still running. Wait for the run to end.");
    this.#held = undefined;
    this.#begun = undefined;
    this.#state = initialState();
    this.#restored = false;
    await this.#memory.free();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  /** The part of a run's memory that is already allocated. */
  get #own(): MemoryPlan {
    return { ...trainerMemory(this, this.#group), optimizer: this.#held !== undefined };
  }

  #allocate(): Held {
    try {
      this.#held ??= this.#allocated();
    } catch (error) {
      // A backend that cannot even free tells so to whoever uses it next.
      this.#memory.free().catch(() => {});
      throw error;
    }
    return this.#held;
  }

  #allocated(): Held {
    const { backend, config, parameters } = this.model;
    const { precision, zeroStage, optimizer } = this.options;
    const group = this.#group;
    if (this.#lora) {
      const adapter = allocAdapterTraining(this.#memory, config, this.#lora);
      return { tensors: adapter, adapter };
    }
    if (zeroStage === 0) {
      const tensors = allocTrainingTensors(this.#memory, parameters, precision);
      const moments = { m: tensors.m, v: tensors.v };
      if (optimizer === "adamw") return { tensors, moments };
      return { tensors: { ...tensors, muon: allocMuonScratch(this.#memory, config) }, moments };
    }
    const tensors = allocTrainingTensors(this.#memory, parameters, precision, group);
    const shared = new SharedMoments(backend, group, parameters.weights, tensors);
    return { tensors, moments: shared, shared };
  }

  async *#events(
    plan: RunPlan,
    memory: RunMemory,
    { tensors, shared, adapter }: Held,
    restored: boolean,
  ): AsyncGenerator<TrainEvent, void, undefined> {
    const { loader, accumulate, overfit, validation, earlyStop, sample, sampleEvery, checkpoint, signal } = plan;
    let { last } = plan;
    const { backend } = this.model;
    const adapters = adapter && memory.adapter && { ...adapter, ws: memory.adapter };
    const parameters = { ...this.model.parameters, adapters };
    const p = computedWith(parameters, tensors);
    const group = this.#group;
    const state = this.#state;
    const context = { model: this.model, parameters, tensors, shared, options: this.options, state, group };
    if (!restored) {
      state.first = state.step;
      state.loss = undefined;
      state.valLoss = undefined;
      state.bitsPerByte = undefined;
      state.validatedAt = undefined;
      state.validationsSinceBest = 0;
      state.usedUp = undefined;
      state.loader = loader.position?.();
    }
    const budget = plan.minutes > 0 ? this.#budget(plan) : undefined;
    const lengths = validation && (await this.#textLengths());
    let fetched: StepBatches | undefined;
    let stopped: DoneEvent["stopped"];
    /** A validation or sample was due and is not made: a resumed run makes it. */
    let owes = false;
    /** Something is known that no checkpoint of this run holds. */
    let unsaved = false;
    /** Whether to stop, as the last step agreed with the other members; undefined where something came after it. */
    let agreed: boolean | undefined;
    for (;;) {
      const { step, first = 0 } = state;
      const isTime = (every: number) => every > 0 && step > 0 && step % every === 0;
      const isValidated = state.validatedAt === step;
      const turn = await budget?.turn(step, restored, {
        val: validation && !isValidated && (step === first || isTime(validation.every)) ? validation.batches : 0,
        sample: isTime(sampleEvery) && state.sampledAt !== step,
        checkpoint: checkpoint !== undefined && isTime(checkpoint.every),
      });
      if (turn) state.usedUp = turn.isOver ? plan.minutes : undefined;
      if (turn?.isOver) last = step;
      const isEnd = step === last || step === first;

      if (validation && memory.evaluate && (isEnd || isTime(validation.every)) && !isValidated) {
        const { finalBatches } = turn ?? validation;
        const batches = step === last ? finalBatches : validation.batches;
        const data = { loader: validation.loader, batches, textLengths: lengths };
        const began = performance.now();
        const found = await evaluate(backend, p, memory.evaluate, data, group, signal);
        budget?.took("val", (performance.now() - began) / batches);
        agreed = undefined;
        if (found === undefined) owes = true;
        else {
          unsaved = true;
          recordValidation(state, found, earlyStop?.delta);
          yield { type: "val", step, ...found };
        }
      }
      if (sample && memory.decode && !owes && !turn?.isOver && isTime(sample.every) && state.sampledAt !== step) {
        const began = performance.now();
        const written = await writeSample(this.model, parameters, memory.decode, sample, state, signal);
        budget?.took("sample", performance.now() - began);
        if (written === undefined) owes = true;
        else {
          unsaved = true;
          yield written;
        }
      }
      if (isTime(sampleEvery)) agreed = undefined; // rank 0 may have been interrupted
      const mustStop = agreed ?? (await group.any(owes || (signal?.aborted ?? false)));
      if (owes || step === last) break;
      if (earlyStop && state.validationsSinceBest >= earlyStop.after) {
        stopped = "early";
        break;
      }
      if (mustStop) break;
      if (checkpoint && isTime(checkpoint.every) && (await group.broadcast(unsaved))) {
        unsaved = false;
        const began = performance.now();
        yield* this.#saved(checkpoint);
        budget?.took("checkpoint", performance.now() - began);
      }

      const began = performance.now();
      const current = fetched ?? (await fetchBatches(loader, accumulate));
      let counted = 0;
      for (const [i, batch] of current.batches.entries())
        counted += await writeBatch(backend, memory.step.batches[i], batch, p.config.V);
      const learningRate = turn
        ? learningRateInTime(Math.max(turn.share, step / last), step, this.options.learningRate, this.options)
        : learningRateAt(step, last, this.options.learningRate, this.options);
      const fetchNext = async () => {
        if (overfit) return current;
        return step + 1 < last ? fetchBatches(loader, accumulate) : undefined;
      };
      const advance = (loss: number) => {
        state.loss = loss;
        state.step++;
        if (overfit) return;
        state.batches += accumulate;
        state.loader = current.end;
      };
      const [{ loss, norm, mustStop: stopsHere, ...verdict }, next] = await trainingStep(
        context,
        memory.step,
        learningRate,
        counted / accumulate,
        fetchNext,
        advance,
        signal,
      );
      // A process alone asks its signal again: it may come with this step's event.
      agreed = group.size > 1 ? stopsHere : undefined;
      fetched = next;
      unsaved = true;
      const ms = performance.now() - began;
      budget?.took("step", ms);
      const tokensPerSecond = (group.size * accumulate * loader.B * loader.T * 1000) / ms;
      yield { type: "step", step, loss, learningRate, norm, ms, tokensPerSecond, ...verdict };
    }
    const { step, loss, valLoss, bitsPerByte, best, skipped } = state;
    if (checkpoint && (await group.broadcast(unsaved))) yield* this.#saved(checkpoint);
    yield {
      type: "done",
      step,
      steps: last,
      loss,
      valLoss,
      bitsPerByte,
      bestValLoss: best?.loss,
      bestStep: best?.step,
      skipped: skipped.loss + skipped.norm + skipped.nan,
      ms: this.#ms,
      interrupted: owes || (step < last && !stopped),
      stopped,
    };
  }

  #budget({ minutes, accumulate, validation, checkpoint }: RunPlan): TimeBudget {
    const { config } = this.model;
    const trained = this.#lora ? adapterCount(config, this.#lora) : parameterCount(config);
    const savedParameters = checkpoint ? trained : 0;
    const plan = { minutes, accumulate, finalBatches: validation?.finalBatches ?? 0, savedParameters };
    return new TimeBudget(plan, this.#group, () => this.#ms);
  }

  /** The bytes of text of each token, by which all members count bits per byte: rank 0's, since it alone may have a tokenizer. */
  #textLengths(): Promise<readonly number[] | undefined> {
    const { tokenizer } = this.model;
    return this.#group.broadcast(tokenizer && Array.from(textLengths(tokenizer)));
  }

  /** Compares the weights of all members; then rank 0 saves, and reports it where it could be done. */
  async *#saved({ save }: CheckpointPlan): AsyncGenerator<TrainEvent, void, undefined> {
    const { step } = this.#state;
    await requireSameWeights(this.model, this.#group, step, this.#held?.adapter?.set);
    const path = await this.inRank0(async () => save?.(step));
    if (path !== undefined) yield { type: "checkpoint", step, path };
  }
}
