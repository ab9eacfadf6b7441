/**
 * What a backend's operations take: floating-point operations, and bytes that go to or from memory if every operand is
 * read once and every result written once. Learned by running the model against a backend that only takes notes.
 */
import { type Backend, type DType, elementBytes, matrixOf, type Operations, sizeOf, type Tensor } from "./backend.ts";

/** An operation, as it was called. */
export interface Call {
  readonly operation: OperationName;
  readonly args: readonly unknown[];
}

export interface Work {
  readonly flops: number;
  readonly bytes: number;
}

interface Cost extends Work {
  /** What the operation is called in a table: calls with the same label are added up. */
  readonly label: string;
}

export type OperationName = keyof Operations & string;

type Costs = { readonly [Name in OperationName]: (...args: Parameters<Operations[Name]>) => Cost };

const product = (label: string, M: number, N: number, K: number, weightBytes = 4): Cost => ({
  label: `${label} ${M}x${N}x${K}`,
  flops: 2 * M * N * K,
  bytes: 4 * (M * K + M * N) + weightBytes * K * N,
});

/** `perFloat` bytes and operations for each of n floats. */
const stream = (label: string, n: number, bytes: number, flops: number): Cost => ({
  label,
  flops: flops * n,
  bytes: bytes * n,
});

/** Products of queries and keys, or of probabilities and values: only those at or below the diagonal. */
const attention = (label: string, { shape: [B, T, width] }: Tensor, products: number, tensors: number): Cost => ({
  label: `${label} ${B}x${T}`,
  flops: (products * B * T * (T + 1) * width) / 3,
  bytes: (4 * tensors * B * T * width) / 3,
});

/** By operation. Of elementwise ones the arithmetic is a rough count: memory decides what they take. */
const costs: Costs = {
  fill: (out) => stream("fill", out.size, 4, 0),
  embeddingForward: (out) => stream("embedding forward", out.size, 12, 1),
  embeddingBackward: (_dwte, _dwpe, dout) => stream("embedding backward", dout.size, 20, 2),
  layernormForward: (_a, inp) => stream("layernorm forward", inp.size, 8, 8),
  layernormBackward: (dinp) => stream("layernorm backward", dinp.size, 16, 14),
  matmulForward: (_out, inp, { weight }) => {
    const [N, C] = matrixOf(inp);
    return product("product forward", N, weight.shape[0], C, elementBytes[weight.dtype]);
  },
  matmulBackwardInput: (_dinp, dout, { weight }) => {
    const [N, OC] = matrixOf(dout);
    return product("product, input's gradient", N, weight.shape[1], OC);
  },
  matmulBackwardWeight: (_dw, dout, inp) => {
    const [N, C] = matrixOf(inp);
    return product("product, weight's gradient", matrixOf(dout)[1], C, N);
  },
  attentionForward: (_out, _saved, qkv) => attention("attention forward", qkv, 2, 4),
  attentionBackward: (dqkv) => attention("attention backward", dqkv, 4, 7),
  geluForward: (out) => stream("gelu forward", out.size, 8, 20),
  geluBackward: (dinp) => stream("gelu backward", dinp.size, 12, 25),
  residualForward: (out) => stream("residual", out.size, 12, 1),
  headLoss: (_head, inp, wte) => {
    const [N, C] = matrixOf(inp);
    const [Vp] = wte.shape;
    return { ...product("", N, Vp, C), label: `head with loss ${N}x${Vp}x${C}` };
  },
  headBackward: (_head, dinp, _dwte, _inp, wte) => {
    const [N, C] = matrixOf(dinp);
    const [Vp] = wte.shape;
    return {
      label: `head, loss and gradients ${N}x${Vp}x${C}`,
      flops: 6 * N * Vp * C,
      // Logits need not leave the cache; the weight and its gradient must.
      bytes: 4 * (2 * Vp * C + 2 * N * C),
    };
  },
  mean: (_out, inp) => stream("mean", inp.size, 4, 1),
  sumSquares: (_out, tensors) =>
    stream(
      "norm of the gradients",
      tensors.reduce((sum, { size }) => sum + size, 0),
      4,
      2,
    ),
  adamw: (param) => stream("adamw", param.size, 28, 15),
};

export const operationNames = Object.keys(costs) as OperationName[];

export function costOf({ operation, args }: Call): Cost {
  const cost: (...args: never[]) => Cost = costs[operation];
  return cost(...(args as never[]));
}

/** A backend that hands operations on to `backend`, and tells `note` of each. */
export function recordOperations(backend: Backend, note: (call: Call) => void): Backend {
  return new Proxy(backend, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      const operation = operationNames.find((known) => known === name);
      return (...args: unknown[]) => {
        if (operation) note({ operation, args });
        return value.apply(target, args);
      };
    },
  });
}

/** All operations that `run` enqueues, on a backend with tensors that hold nothing and operations that do nothing. */
export function callsOf(run: (backend: Backend) => void): Call[] {
  const calls: Call[] = [];
  const answers: Readonly<Record<string, unknown>> = {
    alloc(shape: readonly number[], dtype: DType = "f32"): Tensor {
      const size = sizeOf(shape);
      return { buffer: { bytes: 4 * size }, dtype, offset: 0, shape, size };
    },
    limits: { total: Number.MAX_SAFE_INTEGER, buffer: Number.MAX_SAFE_INTEGER, alignment: 4 },
    attentionSavedSize: () => 1,
    headScratchSize: () => 1,
  };
  const nothing = new Proxy(answers, { get: (target, name) => target[String(name)] ?? (() => {}) });
  run(recordOperations(nothing as unknown as Backend, (call) => calls.push(call)));
  return calls;
}
