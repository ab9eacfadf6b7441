/**
 * GPT-2 124M at full size against PyTorch: `npm run long-test`. Takes minutes and 2.6 GB, so it is no part of `npm test`.
 *
 * 1. The initial weights of seed 42 are PyTorch's: every tensor's sums within 1e-5, its first and last values within
 *    1e-7, and the whole checkpoint to the bit.
 * 2. Ten updates on tiny Shakespeare have PyTorch's losses, within 2e-3, and gradient norms, within 1%.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { prepareTinyshakespeare } from "../../src/data/prepare.ts";
import { writeModel } from "../../src/format/model.ts";
import { streamOf } from "../../src/format/tensors.ts";
import { GPT2, TokenLoader, Trainer } from "../../src/index.ts";
import { parametersOf, type TensorName } from "../../src/model/parameters.ts";
import { fixturePath } from "../fixtures.ts";
import { MemorySink } from "../memory-sink.ts";

interface TorchTensor {
  readonly first: readonly number[];
  readonly last: readonly number[];
  readonly sum: number;
  readonly abs_sum: number;
}

interface Torch {
  readonly sha256: string;
  readonly tensors: Readonly<Record<TensorName, TorchTensor>>;
  readonly training: {
    readonly B: number;
    readonly T: number;
    readonly lr: number;
    readonly betas: readonly [number, number];
    readonly eps: number;
    readonly weight_decay: number;
    readonly losses: readonly number[];
    readonly norms: readonly number[];
  };
}

const torch: Torch = JSON.parse(readFileSync(fixturePath("gpt2_d12_torch.json"), "utf8"));
let failures = 0;

function check(what: string, difference: number, bound: number): void {
  const okay = difference <= bound;
  if (!okay) failures++;
  console.log(`${okay ? "ok  " : "FAIL"} ${what}: ${difference.toExponential(2)} (at most ${bound})`);
}

const largestDifference = (a: Iterable<number>, b: readonly number[]) =>
  Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i])));

/** Hashes what is written instead of keeping it. */
class HashSink extends MemorySink {
  readonly hash = createHash("sha256");

  override async write(bytes: Uint8Array): Promise<void> {
    this.hash.update(bytes);
  }
}

async function checkInit(model: GPT2): Promise<void> {
  const { backend, config } = model;
  const { weights } = model.parameters;
  for (const { name, size: padded, padding } of parametersOf(config)) {
    const expected = torch.tensors[name];
    // The file's `last` of wte are the last of the last token, not of the padding.
    const size = padded - padding;
    let sum = 0;
    let absSum = 0;
    for (let start = 0; start < size; start += 1 << 20) {
      for (const value of await weights.read(backend, name, start, Math.min(1 << 20, size - start))) {
        sum += value;
        absSum += Math.abs(value);
      }
    }
    const read = (start: number, count: number) => weights.read(backend, name, start, count);
    const relative = (value: number, of: number) => (of === 0 ? Math.abs(value) : Math.abs(value / of - 1));
    check(`${name} sum`, relative(sum, expected.sum), 1e-5);
    check(`${name} absolute sum`, relative(absSum, expected.abs_sum), 1e-5);
    check(`${name} first`, largestDifference(await read(0, expected.first.length), expected.first), 1e-7);
    const lastStart = size - expected.last.length;
    check(`${name} last`, largestDifference(await read(lastStart, expected.last.length), expected.last), 1e-7);
  }
  const sink = new HashSink();
  const stream = streamOf(config, (name, start, length) => weights.read(backend, name, start, length));
  await writeModel(sink, stream);
  check("bits of the checkpoint, by sha256", sink.hash.digest("hex") === torch.sha256 ? 0 : 1, 0);
}

async function checkTraining(model: GPT2): Promise<void> {
  const { B, T, lr, betas, eps, weight_decay, losses, norms } = torch.training;
  const folder = await mkdtemp(join(tmpdir(), "llm-ts-d12-"));
  try {
    await prepareTinyshakespeare(folder, { tokenizer: "gpt2" });
    const loader = await TokenLoader.open(folder, { B, T, order: "file", V: model.config.V });
    const options = { learningRate: lr, beta1: betas[0], beta2: betas[1], eps, weightDecay: weight_decay };
    for await (const event of new Trainer(model, options).run(loader, { steps: losses.length, sampleEvery: 0 })) {
      if (event.type !== "step") continue;
      const { step, loss, norm, ms } = event;
      console.log(`     step ${step}: loss ${loss.toFixed(6)}, norm ${norm.toFixed(4)}, ${ms.toFixed(0)} ms`);
      check(`loss ${step}`, Math.abs(loss - losses[step]), 2e-3);
      check(`norm ${step}`, Math.abs(norm / norms[step] - 1), 1e-2);
    }
    await loader.close();
  } finally {
    await rm(folder, { recursive: true });
  }
}

const start = performance.now();
const model = await GPT2.create("d12", { revectorize: true });
console.log(`${model.backend.description}; initial weights in ${((performance.now() - start) / 1000).toFixed(1)} s`);
await checkInit(model);
if (!process.argv.includes("--init-only")) await checkTraining(model);
await model.dispose();
console.log(failures === 0 ? "everything agrees with PyTorch" : `${failures} checks failed`);
process.exitCode = failures === 0 ? 0 : 1;
