/**
 * Cost of the operations: floating-point operations, and bytes moved if every operand is read once and every result
 * written once. Counted by running the model on a backend that only records operations.
 */
import { type Backend, type DType, elementBytes, matrixOf, type Operations, type Tensor } from "./backend.ts";
import { sizeOf } from "./shape.ts";

/** A recorded call of an operation. */
export interface Call {
  readonly operation: OperationName;
  readonly args: readonly unknown[];
}

export interface Work {
  readonly flops: number;
  readonly bytes: number;
}

interface Cost extends Work {
  /** Row of a table: calls with the same label are summed. */
  readonly label: string;
}

export type OperationName = keyof Operations & string;

type Costs = { readonly [Name in OperationName]: (...args: Parameters<Operations[Name]>) => Cost };

const matmul = (label: string, M: number, N: number, K: number, weightBytes = 4): Cost => ({
  label: `${label} ${M}x${N}x${K}`,
  flops: 2 * M * N * K,
  bytes: 4 * (M * K + M * N) + weightBytes * K * N,
});

/** n floats, each with so many bytes and floating-point operations. */
const stream = (label: string, n: number, bytes: number, flops: number): Cost => ({
  label,
  flops: flops * n,
  bytes: bytes * n,
});

/** Matmuls of queries and keys, or of probabilities and values, at or below the diagonal. */
const attention = (label: string, { shape: [B, T, width] }: Tensor, matmuls: number, tensors: number): Cost => ({
  label: `${label} ${B}x${T}`,
  flops: (matmuls * B * T * (T + 1) * width) / 3,
  bytes: (4 * tensors * B * T * width) / 3,
});

/** Cost by operation. Arithmetic of elementwise operations is a rough count: memory dominates them. */
const costs: Costs = {
  fill: (out) => stream("fill", out.size, 4, 0),
  embeddingForward: (out) => stream("embedding forward", out.size, 12, 1),
  embeddingBackward: (_dwte, _dwpe, dout) => stream("embedding backward", dout.size, 20, 2),
  layernormForward: (_a, inp) => stream("layernorm forward", inp.size, 8, 8),
  layernormBackward: (dinp) => stream("layernorm backward", dinp.size, 16, 14),
  matmulForward: (_out, inp, { weight }) => {
    const [N, C] = matrixOf(inp);
    return matmul("matmul forward", N, weight.shape[0], C, elementBytes[weight.dtype]);
  },
  matmulBackwardInput: (_dinp, dout, { weight }) => {
    const [N, OC] = matrixOf(dout);
    return matmul("matmul backward, input", N, weight.shape[1], OC);
  },
  matmulBackwardWeight: (_dw, dout, inp) => {
    const [N, C] = matrixOf(inp);
    return matmul("matmul backward, weight", matrixOf(dout)[1], C, N);
  },
  rotaryForward: (qkv) => stream("rotary forward", (2 * qkv.size) / 3, 8, 3),
  rotaryBackward: (dqkv) => stream("rotary backward", (2 * dqkv.size) / 3, 8, 3),
  attentionForward: (_out, _saved, qkv) => attention("attention forward", qkv, 2, 4),
  attentionBackward: (dqkv) => attention("attention backward", dqkv, 4, 7),
  geluForward: (out) => stream("gelu forward", out.size, 8, 20),
  geluBackward: (dinp) => stream("gelu backward", dinp.size, 12, 25),
  residualForward: (out) => stream("residual", out.size, 12, 1),
  headLoss: (_head, inp, wte) => {
    const [N, C] = matrixOf(inp);
    const [Vp] = wte.shape;
    return { ...matmul("", N, Vp, C), label: `head with loss ${N}x${Vp}x${C}` };
  },
  headBackward: (_head, dinp, dwte, _inp, wte) => {
    const [N, C] = matrixOf(dinp);
    const [Vp] = wte.shape;
    return {
      label: `head, loss and gradients ${N}x${Vp}x${C}`,
      flops: (dwte ? 6 : 4) * N * Vp * C,
      // Logits can stay in the cache; the weight and its gradient cannot.
      bytes: 4 * ((dwte ? 2 : 1) * Vp * C + 2 * N * C),
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

/** A backend that forwards to `backend` and passes each call of an operation to `record` first. */
export function recordOperations(backend: Backend, record: (call: Call) => void): Backend {
  return new Proxy(backend, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      const operation = operationNames.find((known) => known === name);
      return (...args: unknown[]) => {
        if (operation) record({ operation, args });
        return value.apply(target, args);
      };
    },
  });
}

/** All operations that `run` enqueues, recorded on a backend without memory or arithmetic. */
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
