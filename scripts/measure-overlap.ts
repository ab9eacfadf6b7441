/**
 * The sum of gradients over processes, layer by layer beside the backward of earlier layers, against the sum after it: what overlap
 * would save. The graph is not touched: a backend that passes everything on sees the last operation of each layer.
 *
 *     mpirun -np 2 --bind-to none node --conditions=source scripts/measure-overlap.ts baby 12 64 1 9
 *
 * Model, rows and tokens of each process's batch, threads of each, rounds. Needs kernels/ (npm run build), and a machine that
 * does nothing else.
 */
import { GPT2 } from "../src/api/gpt2.ts";
import type { Backend, Tensor } from "../src/backend/backend.ts";
import { createBackend } from "../src/backend/registry.ts";
import { median } from "../src/bench/comparison.ts";
import { configOf } from "../src/bench/steps.ts";
import { Mpi } from "../src/group/mpi/binding.ts";
import { launcherOf } from "../src/group/mpi/launcher.ts";
import { loadMpi, quiet } from "../src/group/mpi/library.ts";
import { backward, forward } from "../src/model/gpt2.ts";
import { syntheticTokens } from "../src/model/synthetic-step.ts";
import { TensorSet } from "../src/model/tensor-set.ts";
import { allocTrainWorkspace } from "../src/model/workspace.ts";

const [name = "baby", ...numbers] = process.argv.slice(2);
const [B = 12, T = 64, threads = 1, rounds = 9] = numbers.map(Number);
const launcher = launcherOf(process.env);
if (!launcher || launcher.size < 2) throw new Error("start it with mpirun -np 2");
for (const [variable, value] of Object.entries(quiet)) process.env[variable] ??= value;
const mpi = new Mpi(await loadMpi(launcher, undefined));

const config = configOf(name === "d12" ? "d12" : "baby");
const be = await createBackend("wasm", { threads, revectorize: true });
const model = await GPT2.create(config, { backend: be });
const grads = new TensorSet(be, config, "f32", undefined, "gradients");
const ws = allocTrainWorkspace(be, config, B, T);
const tokens = syntheticTokens(B * T + 1, config.V);
await be.write(ws.tokens, tokens.subarray(0, B * T));
await be.write(ws.head.targets, tokens.subarray(1));

const memoryOf = (tensors: readonly Tensor[]) =>
  Promise.all(tensors.map(async (tensor) => (await be.hostMemory?.(tensor)) ?? new Float32Array()));
/** What is summed without overlap; with it, a layer's matrices when they are complete, and the rest at the end. */
const blocks = await memoryOf(grads.blocks);
const matrices = ["qkvw", "attprojw", "fcw", "fcprojw"];
const rest = await memoryOf(
  grads.entries.filter(({ parameter }) => !matrices.includes(parameter.name)).map(({ tensor }) => tensor),
);
const layers = await Promise.all(
  grads.layers.map(({ qkv, attproj, fc, fcproj }) => memoryOf([qkv, attproj, fc, fcproj].map(({ weight }) => weight))),
);

async function sum(all: readonly Float32Array[]): Promise<void> {
  for (const data of all) await mpi.sum(data, "the sum of gradients");
}

function compute(onLayer: (layer: number) => void = () => {}): void {
  const watching: Backend = Object.create(be, {
    layernormBackward: {
      value: (...args: Parameters<Backend["layernormBackward"]>) => {
        be.layernormBackward(...args);
        const layer = grads.layers.findIndex(({ ln1 }) => ln1.weight === args[1].weight);
        if (layer >= 0) onLayer(layer);
      },
    },
  });
  forward(be, model.parameters, ws);
  backward(watching, model.parameters, grads, ws);
}

const ways = {
  async computing() {
    compute();
    await be.sync();
  },
  async sums() {
    await sum(blocks);
  },
  async after() {
    await ways.computing();
    await ways.sums();
  },
  async beside() {
    let summed = Promise.resolve();
    compute((layer) => {
      const computed = be.sync();
      summed = summed.then(async () => {
        await computed;
        await sum(layers[layer]);
      });
    });
    await be.sync();
    await summed;
    await sum(rest);
  },
};

const times = { computing: [], sums: [], after: [], beside: [] } as Record<keyof typeof ways, number[]>;
for (let round = -1; round < rounds; round++)
  for (const way of Object.keys(ways) as (keyof typeof ways)[]) {
    await mpi.sum(Int32Array.of(0), "the others");
    const began = performance.now();
    await ways[way]();
    // The slowest counts.
    await mpi.sum(Int32Array.of(0), "the others");
    if (round >= 0) times[way].push(performance.now() - began);
  }
const [computing, sums, after, beside] = [times.computing, times.sums, times.after, times.beside].map(median);
const gain = after - beside;
if (mpi.rank === 0)
  console.log(
    `${name}, B = ${B}, T = ${T}, ${mpi.size} processes of ${threads} threads, ${mpi.description}: computing ${computing.toFixed(1)} ms, ` +
      `sums ${sums.toFixed(1)}; one after the other ${after.toFixed(1)}, beside each other ${beside.toFixed(1)}: overlap saves ` +
      `${gain.toFixed(1)} ms, ${((100 * gain) / after).toFixed(1)}% of both`,
  );
await be.dispose();
await mpi.close();
