/**
 * What a backend's operations take: floating-point operations, and bytes that go to or from memory if every operand is
 * read once and every result written once. Learned by running the model against a backend that only takes notes.
 */
import { type AttentionShape, type Backend, type DType, elementBytes, sizeOf, type Tensor } from "./backend.ts";

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

type Operations = {
  [Name in keyof Backend as Backend[Name] extends (...args: never[]) => void
    ? ReturnType<Backend[Name]> extends void
      ? Name
      : never
    : never]: Backend[Name];
};

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
const attention = (label: string, { B, T, C }: AttentionShape, products: number, tensors: number): Cost => ({
  label: `${label} ${B}x${T}`,
  flops: products * B * T * (T + 1) * C,
  bytes: 4 * tensors * B * T * C,
});

/** By operation. Of elementwise ones the arithmetic is a rough count: memory decides what they take. */
const costs: Costs = {
  fill: (out) => stream("fill", out.size, 4, 0),
  embeddingForward: (_out, _tokens, _wte, _wpe, B, T, C) => stream("embedding forward", B * T * C, 12, 1),
  embeddingBackward: (_dwte, _dwpe, _dout, _tokens, B, T, C) => stream("embedding backward", B * T * C, 20, 2),
  layernormForward: (_out, _mean, _rstd, _inp, _weight, _bias, N, C) => stream("layernorm forward", N * C, 8, 8),
  layernormBackward: (_dinp, _dweight, _dbias, _dout, _inp, _weight, _mean, _rstd, N, C) =>
    stream("layernorm backward", N * C, 16, 14),
  matmulForward: (_out, _inp, weight, _bias, N, C, OC) =>
    product("product forward", N, OC, C, elementBytes[weight.dtype]),
  matmulBackwardInput: (_dinp, _dout, _weight, N, C, OC) => product("product, input's gradient", N, C, OC),
  matmulBackwardWeight: (_dweight, _dbias, _dout, _inp, N, C, OC) => product("product, weight's gradient", OC, C, N),
  attentionForward: (_out, _saved, _qkv, shape) => attention("attention forward", shape, 2, 4),
  attentionBackward: (_dqkv, _dout, _qkv, _saved, shape) => attention("attention backward", shape, 4, 7),
  geluForward: (out) => stream("gelu forward", out.size, 8, 20),
  geluBackward: (dinp) => stream("gelu backward", dinp.size, 12, 25),
  residualForward: (out) => stream("residual", out.size, 12, 1),
  headLoss: (_losses, _scratch, _inp, _wte, _targets, N, C, _V, Vp) => {
    const logits = product("", N, Vp, C);
    return { ...logits, label: `head with loss ${N}x${Vp}x${C}` };
  },
  headBackward: (_losses, _dinp, _dwte, _scratch, _inp, _wte, _targets, N, C, _V, Vp) => ({
    label: `head, loss and gradients ${N}x${Vp}x${C}`,
    flops: 6 * N * Vp * C,
    // Logits need not leave the cache; the weight and its gradient must.
    bytes: 4 * (2 * Vp * C + 2 * N * C),
  }),
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
export function noting(backend: Backend, note: (call: Call) => void): Backend {
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
    attentionSavedSize: () => 1,
    headScratchSize: () => 1,
  };
  const nothing = new Proxy(answers, { get: (target, name) => target[String(name)] ?? (() => {}) });
  run(noting(nothing as unknown as Backend, (call) => calls.push(call)));
  return calls;
}
