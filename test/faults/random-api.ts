/**
 * A state machine over the API: random sequences of training, generating, saving, loading, disposing, aborting, calls side
 * by side and errors, on one backend that all share. After each of them weights and texts must have the bits of a straight
 * path (the same updates and loads, and nothing else), and the backend must hold the memory of what is alive, no more.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import fc from "fast-check";
import { GPT2 } from "../../src/api/gpt2.ts";
import type { SampleOptions } from "../../src/api/options.ts";
import type { Backend } from "../../src/backend/backend.ts";
import { createReferenceBackend } from "../../src/backend/reference/reference.ts";
import { createWasmBackend } from "../../src/backend/wasm/create.ts";
import { LlmError } from "../../src/errors.ts";
import { makeConfig } from "../../src/model/config.ts";
import { byteTokenizer } from "../../src/tokenizer/byte.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { CountingBatches } from "../counting-batches.ts";
import { bits, collect, readSet } from "../fixtures.ts";
import type { Counts, RandomTrial } from "./random-trials.ts";

const config = makeConfig({ maxT: 12, V: 256, L: 1, NH: 2, C: 16 });
const tokenizer = byteTokenizer();
const options = { learningRate: 1e-2, gradClip: 1, weightDecay: 0.1 };
const run = { sampleEvery: 0 };
const batches = () => new CountingBatches(2, 8);
/** Milliseconds; far above the duration of any call of this small model. */
const patience = 60_000;

const weightsOf = async ({ backend, parameters }: GPT2) => bits(await readSet(backend, parameters.weights));
const tokensOf = (model: GPT2, { prompt, ...rest }: Writing) => collect(model.generateTokens(prompt, rest));

interface Writing extends Pick<SampleOptions, "temperature" | "topK" | "seed" | "maxTokens"> {
  readonly prompt: readonly number[];
}

/** Actions that change weights or moments: a run of so many updates, a save and a load, or another trainer. */
type Segment = number | "load" | "trainer";

/** Result of a path of segments, computed once for each, with nothing besides. */
class StraightPaths {
  readonly #folder: string;
  readonly #weights = new Map<string, Promise<string>>();
  readonly #texts = new Map<string, Promise<readonly number[]>>();
  readonly #backend: Backend;

  constructor(backend: Backend, folder: string) {
    this.#backend = backend;
    this.#folder = folder;
  }

  weights(path: readonly Segment[]): Promise<string> {
    return remembered(this.#weights, JSON.stringify(path), () => this.#at(path, weightsOf));
  }

  text(path: readonly Segment[], writing: Writing): Promise<readonly number[]> {
    const key = JSON.stringify([path, writing]);
    return remembered(this.#texts, key, () => this.#at(path, (model) => tokensOf(model, writing)));
  }

  async #at<T>(path: readonly Segment[], look: (model: GPT2) => Promise<T>): Promise<T> {
    let model = await GPT2.create(config, { backend: this.#backend, tokenizer });
    let trainer = new Trainer(model, options);
    for (const segment of path) {
      if (typeof segment === "number") await collect(trainer.run(batches(), { ...run, steps: segment }));
      else {
        await trainer.dispose();
        if (segment === "load") {
          const file = join(this.#folder, "straight.bin");
          await model.save(file);
          await model.dispose();
          model = await GPT2.load(file, { backend: this.#backend, tokenizer });
        }
        trainer = new Trainer(model, options);
      }
    }
    const seen = await look(model);
    await trainer.dispose();
    await model.dispose();
    return seen;
  }
}

function remembered<T>(map: Map<string, Promise<T>>, key: string, compute: () => Promise<T>): Promise<T> {
  const known = map.get(key) ?? compute();
  map.set(key, known);
  return known;
}

/** Expected state: the updates and loads so far, and whether the trainer holds its tensors. */
interface Expected {
  path: Segment[];
  hasMoments: boolean;
}

/** The objects under test. */
interface Real {
  readonly backend: Backend;
  /** Memory in use by the backend without any model. */
  readonly baseline: number;
  readonly folder: string;
  readonly straight: StraightPaths;
  model: GPT2;
  trainer: Trainer;
  files: number;
  calls: number;
}

function go(expected: Expected, segment: Segment): void {
  if (segment !== 0) expected.path.push(segment);
}

class Command implements fc.AsyncCommand<Expected, Real> {
  readonly #name: string;
  readonly #act: (expected: Expected, real: Real) => Promise<void>;

  constructor(name: string, act: (expected: Expected, real: Real) => Promise<void>) {
    this.#name = name;
    this.#act = act;
  }

  check(): boolean {
    return true;
  }

  async run(expected: Expected, real: Real): Promise<void> {
    const late = new AbortController();
    const hang = wait(patience, undefined, { signal: late.signal }).then(
      () => assert.fail(`${this.#name} hangs`),
      () => {},
    );
    await Promise.race([this.#act(expected, real), hang]);
    late.abort();
    real.calls++;
    assert.equal(await weightsOf(real.model), await real.straight.weights(expected.path), "weights");
    const sets = expected.hasMoments ? 4 : 1;
    const set = await setBytes(real.backend);
    assert.equal(real.backend.memoryUsed - real.baseline, sets * set, "memory");
  }

  toString(): string {
    return this.#name;
  }
}

async function setBytes(backend: Backend): Promise<number> {
  const before = backend.memoryUsed;
  const model = await GPT2.create(config, { backend, tokenizer });
  const bytes = backend.memoryUsed - before;
  await model.dispose();
  return bytes;
}

async function train(expected: Expected, { trainer }: Real, steps: number): Promise<void> {
  expected.hasMoments = true;
  const events = await collect(trainer.run(batches(), { ...run, steps }));
  assert.equal(events.filter(({ type }) => type === "step").length, steps);
  go(expected, steps);
}

/** Leaves a run, or aborts it, after some of its updates. */
async function trainInPart(expected: Expected, { trainer }: Real, steps: number, isAborted: boolean): Promise<void> {
  expected.hasMoments = true;
  const stop = new AbortController();
  let made = 0;
  for await (const { type } of trainer.run(batches(), { ...run, steps: steps + 5, signal: stop.signal })) {
    if (type === "step") made++;
    if (made < steps) continue;
    if (!isAborted) break;
    stop.abort();
  }
  assert.equal(made, steps);
  go(expected, steps);
}

async function write({ path }: Expected, { model, straight }: Real, writings: readonly Writing[]): Promise<void> {
  const texts = await Promise.all(writings.map((writing) => tokensOf(model, writing)));
  for (const [i, text] of texts.entries()) assert.deepEqual(text, await straight.text(path, writings[i]), "text");
}

async function writeInPart({ model }: Real, { prompt, ...rest }: Writing, isAborted: boolean): Promise<void> {
  const stop = new AbortController();
  for await (const _ of model.generateTokens(prompt, { ...rest, signal: stop.signal })) {
    if (!isAborted) break;
    stop.abort();
  }
}

/** Trains while the model is saved again and again, unawaited: every file holds the weights after whole updates. */
async function saveWhileTraining(expected: Expected, real: Real, steps: number): Promise<void> {
  const { model, trainer, straight } = real;
  const start = [...expected.path];
  const saves: Promise<void>[] = [];
  const files: string[] = [];
  const saving = () => {
    files.push(newFile(real));
    saves.push(model.save(files[files.length - 1]));
  };
  expected.hasMoments = true;
  saving();
  for await (const { type } of trainer.run(batches(), { ...run, steps })) if (type === "step") saving();
  await Promise.all(saves);
  for (const [made, file] of files.entries()) {
    const at: Expected = { ...expected, path: [...start] };
    go(at, made);
    const saved = await GPT2.load(file, { backend: "reference", tokenizer });
    assert.equal(await weightsOf(saved), await straight.weights(at.path), `saved after ${made} of ${steps} updates`);
    await saved.dispose();
  }
  go(expected, steps);
}

function newFile(real: Real): string {
  return join(real.folder, `model-${real.files++ % 40}.bin`);
}

async function reload(expected: Expected, real: Real, isModelFirst: boolean): Promise<void> {
  const file = newFile(real);
  await real.model.save(file);
  const parts = [real.trainer, real.model];
  for (const part of isModelFirst ? parts.reverse() : parts) await part.dispose();
  for (const part of parts) await part.dispose();
  real.model = await GPT2.load(file, { backend: real.backend, tokenizer });
  real.trainer = new Trainer(real.model, options);
  go(expected, "load");
  expected.hasMoments = false;
}

async function renewTrainer(expected: Expected, real: Real): Promise<void> {
  await Promise.all([real.trainer.dispose(), real.trainer.dispose()]);
  real.trainer = new Trainer(real.model, options);
  go(expected, "trainer");
  expected.hasMoments = false;
}

/** Moves this trainer's state and moments to another trainer, which continues the run. */
async function handOver(expected: Expected, real: Real): Promise<void> {
  const { backend, model, trainer } = real;
  const [from, other] = [trainer.moments(), new Trainer(model, options)];
  const to = other.moments();
  for (const moment of ["m", "v"] as const)
    for (const { name, size } of to[moment].parameters)
      await to[moment].write(backend, name, 0, await from[moment].read(backend, name, 0, size));
  other.restore(JSON.parse(JSON.stringify({ ...trainer.state(), loader: undefined })));
  await trainer.dispose();
  real.trainer = other;
  expected.hasMoments = true;
}

const mistakes: readonly ((real: Real) => unknown)[] = [
  ({ model }) => collect(model.generateTokens([256], {})),
  ({ model }) => collect(model.generateTokens([1], { temperature: -1 })),
  ({ model }) => collect(model.generateTokens([1], { samples: 0.5 } as SampleOptions)),
  ({ model }) => collect(model.generateTokens([1], { maxTokens: 99, llmc: true })),
  ({ model }) => model.save("/no such folder/model.bin"),
  ({ backend, folder }) => GPT2.load(join(folder, "no such file.bin"), { backend }),
  ({ backend }) => GPT2.create({ ...config, NH: 3 }, { backend }),
  ({ model }) => new Trainer(model, { eps: 0 }),
  ({ trainer }) => collect(trainer.run(batches(), { steps: -1 })),
  ({ trainer }) => collect(trainer.run(new CountingBatches(2, 13), { ...run, steps: 1 })),
  ({ trainer }) => trainer.restore(null as never),
];

async function mistake(real: Real, which: number): Promise<void> {
  await assert.rejects(async () => mistakes[which](real), LlmError);
}

/** During a run, a second one and disposing are refused. */
async function interfere(expected: Expected, { trainer }: Real): Promise<void> {
  expected.hasMoments = true;
  const events = trainer.run(batches(), { ...run, steps: 2 });
  await events.next();
  await assert.rejects(collect(trainer.run(batches(), { ...run, steps: 1 })), LlmError);
  await assert.rejects(trainer.dispose(), LlmError);
  await collect(events);
  go(expected, 2);
}

const steps = fc.integer({ min: 1, max: 3 });
const writing: fc.Arbitrary<Writing> = fc.record({
  prompt: fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 1, maxLength: 14 }),
  maxTokens: fc.integer({ min: 0, max: 14 }),
  temperature: fc.constantFrom(0, 0.7, 1),
  topK: fc.constantFrom(0, 3),
  seed: fc.integer({ min: -3, max: 3 }),
});

const commands: fc.Arbitrary<Command>[] = [
  steps.map((n) => new Command(`train(${n})`, (expected, real) => train(expected, real, n))),
  fc
    .tuple(steps, fc.boolean())
    .map(([n, abort]) => new Command(`trainInPart(${n}, ${abort})`, (e, real) => trainInPart(e, real, n, abort))),
  fc
    .array(writing, { minLength: 1, maxLength: 3 })
    .map((all) => new Command(`write(${JSON.stringify(all)})`, (expected, real) => write(expected, real, all))),
  fc
    .tuple(writing, fc.boolean())
    .map(([one, abort]) => new Command(`writeInPart(${abort})`, (_, real) => writeInPart(real, one, abort))),
  steps.map((n) => new Command(`saveWhileTraining(${n})`, (expected, real) => saveWhileTraining(expected, real, n))),
  fc.boolean().map((first) => new Command(`reload(${first})`, (expected, real) => reload(expected, real, first))),
  fc.constant(new Command("renewTrainer", renewTrainer)),
  fc.constant(new Command("handOver", handOver)),
  fc.constant(new Command("interfere", interfere)),
  fc
    .integer({ min: 0, max: mistakes.length - 1 })
    .map((which) => new Command(`mistake(${which})`, (_, real) => mistake(real, which))),
];

/** Bytes of the backend's own scratch memory once it has its final size: after a training step and generation. */
async function baselineOf(backend: Backend): Promise<number> {
  const model = await GPT2.create(config, { backend, tokenizer });
  const trainer = new Trainer(model, options);
  await collect(trainer.run(batches(), { ...run, steps: 1 }));
  await tokensOf(model, { prompt: Array(14).fill(1), maxTokens: 14 });
  await trainer.dispose();
  await model.dispose();
  return backend.memoryUsed;
}

const commandsPerTrial = 24;

export const randomApi: RandomTrial = {
  kind: "api",
  name: "random calls of the API",
  what: "train, write, save, load, dispose, abort, side by side, with errors: bits of a straight path, no memory kept, no hang",
  quick: 4,
  async trial({ folder }, seed): Promise<Counts> {
    const rejections: unknown[] = [];
    const onRejection = (reason: unknown) => void rejections.push(reason);
    process.on("unhandledRejection", onRejection);
    const backend = seed % 8 === 0 ? createReferenceBackend() : await createWasmBackend({ threads: 1 + (seed % 4) });
    const alone = seed % 8 === 0 ? createReferenceBackend() : await createWasmBackend({ threads: 1 });
    const baseline = await baselineOf(backend);
    let calls = 0;
    const straight = new StraightPaths(alone, folder);
    const property = fc.asyncProperty(
      fc.commands(commands, { maxCommands: commandsPerTrial, size: "max" }),
      async (all) => {
        const model = await GPT2.create(config, { backend, tokenizer });
        const real: Real = {
          backend,
          baseline,
          folder,
          straight,
          model,
          trainer: new Trainer(model, options),
          files: 0,
          calls: 0,
        };
        try {
          await fc.asyncModelRun(() => ({ model: { path: [], hasMoments: false }, real }), all);
        } finally {
          await real.trainer.dispose();
          await real.model.dispose();
          calls += real.calls;
        }
        assert.equal(backend.memoryUsed, baseline, "memory at the end");
      },
    );
    try {
      await fc.assert(property, { seed, numRuns: 2, includeErrorInReport: true });
      await wait(0);
      assert.deepEqual(rejections, [], "unhandled rejections");
    } finally {
      process.off("unhandledRejection", onRejection);
      await Promise.all([backend.dispose(), alone.dispose()]);
    }
    return { calls };
  },
};
