/**
 * Whether a backend computes right on this machine. What V8 makes of the kernels depends on its version, its flags and
 * the processor, and is not ours to trust; so every backend does a few small operations, which are compared with the
 * reference backend's, before anyone relies on it.
 *
 * In Node the code checked here is the code that runs later, optimised already. A browser, and a Node whose flags cannot be
 * used, optimises it only after some calls; what it then makes of it is its own, since nothing experimental is asked for.
 */
import type { Backend, Tensor } from "../backend.ts";
import { reference } from "../reference/entry.ts";

/** Makes tensors, and keeps in mind what has to be awaited and freed. */
class Desk {
  readonly #backend: Backend;
  readonly #tensors: Tensor[] = [];
  readonly #writes: Promise<void>[] = [];

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** A tensor for results. */
  room(...shape: number[]): Tensor {
    const tensor = this.#backend.alloc(shape);
    this.#tensors.push(tensor);
    return tensor;
  }

  /** A tensor of numbers from -1 to 1, others for each one. */
  filled(...shape: number[]): Tensor {
    const tensor = this.room(...shape);
    const first = 17 * this.#tensors.length;
    this.#writes.push(
      this.#backend.write(
        tensor,
        Float32Array.from({ length: tensor.size }, (_, i) => wave(first + i)),
      ),
    );
    return tensor;
  }

  /** Integers from 0 to `below` - 1. */
  indices(below: number, ...shape: number[]): Tensor {
    const tensor = this.#backend.alloc(shape, "i32");
    this.#tensors.push(tensor);
    this.#writes.push(
      this.#backend.write(
        tensor,
        Int32Array.from({ length: tensor.size }, (_, i) => (7 * i + 3) % below),
      ),
    );
    return tensor;
  }

  /** Asked for before anything is awaited, so that one failure is told once. */
  async read(outputs: readonly Tensor[]): Promise<Float32Array[]> {
    const reads = Promise.all(outputs.map((output) => this.#backend.read(output)));
    const [results] = await Promise.all([reads, ...this.#writes]);
    return results;
  }

  async clear(): Promise<void> {
    await Promise.all(this.#tensors.map((tensor) => this.#backend.free(tensor)));
  }
}

function wave(i: number): number {
  return Math.sin(1.7 * i + 0.3 * Math.sqrt(i));
}

type Operation = (backend: Backend, desk: Desk) => Tensor[];

/**
 * N, C and OC of the products. The first has whole tiles of every size and the ends of rows and columns behind them;
 * the second is deeper than one block of k; the third has the few rows of decoding, which no tile computes.
 */
const shapes = [
  [31, 45, 43],
  [7, 401, 19],
  [2, 37, 11],
] as const;

const products: Readonly<Record<string, Operation>> = {
  matmulForward: (backend, desk) =>
    shapes.map(([N, C, OC]) => {
      const out = desk.room(N, OC);
      backend.matmulForward(out, desk.filled(N, C), { weight: desk.filled(OC, C), bias: desk.filled(OC) });
      return out;
    }),
  matmulBackwardInput: (backend, desk) =>
    shapes.map(([N, C, OC]) => {
      const dinp = desk.room(N, C);
      backend.matmulBackwardInput(dinp, desk.filled(N, OC), { weight: desk.filled(OC, C), bias: null });
      return dinp;
    }),
  matmulBackwardWeight: (backend, desk) =>
    shapes.flatMap(([N, C, OC]) => {
      const [weight, bias] = [desk.filled(OC, C), desk.filled(OC)];
      backend.matmulBackwardWeight({ weight, bias, accumulate: true }, desk.filled(N, OC), desk.filled(N, C));
      return [weight, bias];
    }),
};

const [B, T, C, NH, V, Vp] = [2, 11, 24, 2, 45, 48];
const N = B * T;

const others: Readonly<Record<string, Operation>> = {
  embedding: (backend, desk) => {
    const [out, dwte, dwpe] = [desk.room(N, C), desk.filled(Vp, C), desk.filled(T, C)];
    const tokens = desk.indices(V, B, T);
    backend.embeddingForward(out, tokens, desk.filled(Vp, C), desk.filled(T, C), 0);
    backend.embeddingBackward(dwte, dwpe, desk.filled(N, C), tokens);
    return [out, dwte, dwpe];
  },
  layernorm: (backend, desk) => {
    const odd = C + 3;
    const a = { out: desk.room(N, odd), mean: desk.room(N), rstd: desk.room(N) };
    const w = { weight: desk.filled(odd), bias: desk.filled(odd) };
    const dw = { weight: desk.filled(odd), bias: desk.filled(odd), accumulate: true };
    const [inp, dinp] = [desk.filled(N, odd), desk.filled(N, odd)];
    backend.layernormForward(a, inp, w, 1e-5);
    backend.layernormBackward(dinp, dw, desk.filled(N, odd), inp, w, a);
    return [a.out, a.mean, a.rstd, dinp, dw.weight, dw.bias];
  },
  attention: (backend, desk) => {
    const [out, saved] = [desk.room(B, T, C), desk.room(backend.attentionSavedSize({ B, T, C, NH }))];
    const [dqkv, qkv] = [desk.room(B, T, 3 * C), desk.filled(B, T, 3 * C)];
    backend.attentionForward(out, saved, qkv, NH);
    backend.attentionBackward(dqkv, desk.filled(B, T, C), qkv, saved, NH);
    return [out, dqkv];
  },
  gelu: (backend, desk) => {
    const [inp, dout] = [desk.filled(77), desk.filled(77)];
    return (["tanh", "erf"] as const).flatMap((form) => {
      const [out, dinp] = [desk.room(77), desk.room(77)];
      backend.geluForward(out, inp, form);
      backend.geluBackward(dinp, inp, dout, form);
      return [out, dinp];
    });
  },
  residual: (backend, desk) => {
    const out = desk.room(77);
    backend.residualForward(out, desk.filled(77), desk.filled(77));
    return [out];
  },
  head: (backend, desk) => {
    const [losses, dinp, dwte] = [desk.room(N), desk.room(N, C), desk.room(Vp, C)];
    const head = { losses, targets: desk.indices(V, N), scratch: desk.room(backend.headScratchSize(N, Vp)), V };
    const [inp, wte] = [desk.filled(N, C), desk.filled(Vp, C)];
    backend.headBackward(head, dinp, { weight: dwte, accumulate: false }, inp, wte, 1 / N);
    return [losses, dinp, dwte];
  },
  sums: (backend, desk) => {
    const [mean, squares, inp] = [desk.room(1), desk.room(1), desk.filled(77)];
    backend.mean(mean, inp);
    backend.sumSquares(squares, [inp]);
    return [mean, squares];
  },
  adamw: (backend, desk) => {
    const [param, m, v] = [desk.filled(77), desk.room(77), desk.room(77)];
    const rates = { learningRate: 0.1, beta1: 0.9, beta2: 0.99, eps: 1e-3, weightDecay: 0.1, gradScale: 0.5, step: 1 };
    backend.adamw(param, desk.filled(77), m, v, rates);
    return [param, m, v];
  },
};

/** Sums of at most 401 products of numbers up to 1, in float32: rounding stays far below this. Wrong code does not. */
const TOLERANCE = 1e-4;

/** What is wrong with the matrix products of the tile in use, if anything is. */
export function problemOfProducts(backend: Backend): Promise<string | undefined> {
  return problemOf(products, backend);
}

/** What is wrong with the other operations, if anything is. */
export function problemOfOthers(backend: Backend): Promise<string | undefined> {
  return problemOf(others, backend);
}

/** Every operation once, without looking at what it computes. */
export async function runOperations(backend: Backend): Promise<void> {
  for (const operation of Object.values({ ...products, ...others })) await outputsOf(operation, backend);
}

async function problemOf(
  operations: Readonly<Record<string, Operation>>,
  backend: Backend,
): Promise<string | undefined> {
  const wrong: string[] = [];
  for (const [name, operation] of Object.entries(operations)) {
    const [found, expected] = [await outputsOf(operation, backend), await expectedOf(operation)];
    if (!expected.every((numbers, at) => numbers.every((value, i) => isClose(found[at][i], value)))) wrong.push(name);
  }
  return wrong.length === 0 ? undefined : `wrong result of ${wrong.join(", ")}`;
}

function isClose(found: number, expected: number): boolean {
  return Math.abs(found - expected) <= TOLERANCE * (1 + Math.abs(expected));
}

async function outputsOf(operation: Operation, backend: Backend): Promise<Float32Array[]> {
  const desk = new Desk(backend);
  const outputs = await desk.read(operation(backend, desk));
  await desk.clear();
  return outputs;
}

const expectations = new Map<Operation, Promise<Float32Array[]>>();

function expectedOf(operation: Operation): Promise<Float32Array[]> {
  let expected = expectations.get(operation);
  if (!expected) {
    expected = reference.create({}).then((backend) => outputsOf(operation, backend));
    expectations.set(operation, expected);
  }
  return expected;
}
