/**
 * Cost of the operations: floating-point operations, and bytes moved if every operand is read once and every result
 * written once, in the types that they are stored in. Counted by running the model on a backend that only records operations.
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

/** Bytes of tensors as they are stored, each counted once. */
const bytesOf = (...tensors: readonly Tensor[]): number =>
  tensors.reduce((sum, { size, dtype }) => sum + size * elementBytes[dtype], 0);

/** M x N x K, where all operands and the result are `tensors`. */
const matmul = (label: string, M: number, N: number, K: number, ...tensors: readonly Tensor[]): Cost => ({
  label: `${label} ${M}x${N}x${K}`,
  flops: 2 * M * N * K,
  bytes: bytesOf(...tensors),
});

/** So many bytes, and n elements with so many floating-point operations each. */
const stream = (label: string, bytes: number, n: number, flops: number): Cost => ({ label, bytes, flops: flops * n });

/**
 * Matmuls of queries and keys, or of probabilities and values, at or below the diagonal: T queries behind `past` positions, each
 * of which sees those and the ones up to its own.
 */
const attention = (
  label: string,
  [B, T, width]: readonly number[],
  matmuls: number,
  bytes: number,
  past = 0,
): Cost => ({
  label: `${label} ${B}x${T}`,
  flops: (matmuls * B * T * (2 * past + T + 1) * width) / 3,
  bytes,
});

/** Cost by operation. Arithmetic of elementwise operations is a rough count: memory dominates them. */
const costs: Costs = {
  fill: (out) => stream("fill", bytesOf(out), out.size, 0),
  embeddingForward: (out, _tokens, wte, wpe) =>
    stream("embedding forward", bytesOf(out) + out.size * (elementBytes[wte.dtype] + (wpe ? 4 : 0)), out.size, 1),
  embeddingBackward: (_dwte, dwpe, dout) =>
    stream("embedding backward", bytesOf(dout) + dout.size * (dwpe ? 16 : 8), dout.size, 2),
  layernormForward: ({ out }, inp) => stream("layernorm forward", bytesOf(out, inp), inp.size, 8),
  layernormBackward: (dinp, _dw, dout, inp) =>
    stream("layernorm backward", bytesOf(dinp, dinp, dout, inp), dinp.size, 14),
  matmulForward: (out, inp, { weight }) => {
    const [N, C] = matrixOf(inp);
    return matmul("matmul forward", N, weight.shape[0], C, out, inp, weight);
  },
  matmulBackwardInput: (dinp, dout, { weight }) => {
    const [N, OC] = matrixOf(dout);
    return matmul("matmul backward, input", N, weight.shape[1], OC, dinp, dout, weight);
  },
  matmulBackwardWeight: (dw, dout, inp) => {
    const [N, C] = matrixOf(inp);
    return matmul("matmul backward, weight", matrixOf(dout)[1], C, N, dw.weight, dout, inp);
  },
  rotaryForward: (qkv) => stream("rotary forward", (2 * bytesOf(qkv, qkv)) / 3, (2 * qkv.size) / 3, 3),
  rotaryBackward: (dqkv) => stream("rotary backward", (2 * bytesOf(dqkv, dqkv)) / 3, (2 * dqkv.size) / 3, 3),
  attentionForward: (out, _saved, qkv, _NH, cache, past = 0) => {
    const [B, T, width] = qkv.shape;
    // New keys and values are written there, all earlier ones read.
    const cached = cache ? (2 * elementBytes[cache.keys.dtype] * B * (past + T) * width) / 3 : 0;
    return attention("attention forward", qkv.shape, 2, bytesOf(out, qkv) + cached, past);
  },
  attentionBackward: (dqkv, dout, qkv) => attention("attention backward", qkv.shape, 4, bytesOf(dqkv, dout, qkv)),
  geluForward: (out, inp) => stream("gelu forward", bytesOf(out, inp), out.size, 20),
  geluBackward: (dinp, inp, dout) => stream("gelu backward", bytesOf(dinp, inp, dout), dinp.size, 25),
  residualForward: (out, a, b) => stream("residual", bytesOf(out, a, b), out.size, 1),
  addScaled: (out, a, _scale, b) => stream("scaled sum", bytesOf(out, a, b), out.size, 3),
  headLoss: (_head, inp, wte) => {
    const [N, C] = matrixOf(inp);
    const [Vp] = wte.shape;
    const cost = matmul("head with loss", N, Vp, C, inp, wte);
    return { ...cost, bytes: cost.bytes + elementBytes.f32 * N * Vp };
  },
  headBackward: (_head, dinp, dwte, inp, wte) => {
    const [N, C] = matrixOf(dinp);
    const [Vp] = wte.shape;
    return {
      label: `head, loss and gradients ${N}x${Vp}x${C}`,
      flops: (dwte ? 6 : 4) * N * Vp * C,
      // Logits can stay in the cache; the weight and its gradient cannot.
      bytes: bytesOf(dinp, inp, wte, ...(dwte ? [dwte.weight] : [])),
    };
  },
  mean: (_out, inp) => stream("mean", bytesOf(inp), inp.size, 1),
  sumSquares: (_out, tensors) => {
    const size = tensors.reduce((sum, tensor) => sum + tensor.size, 0);
    return stream("norm of the gradients", bytesOf(...tensors), size, 2);
  },
  adamw: (param, grad, m, v, _options, copy) =>
    stream("adamw", bytesOf(param, param, grad, m, m, v, v, ...(copy ? [copy] : [])), param.size, 15),
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
      return { buffer: { bytes: elementBytes[dtype] * size }, dtype, offset: 0, shape, size };
    },
    limits: { total: Number.MAX_SAFE_INTEGER, buffer: Number.MAX_SAFE_INTEGER, alignment: 4 },
    attentionSavedSize: () => 1,
    headScratchSize: () => 1,
  };
  const nothing = new Proxy(answers, { get: (target, name) => target[String(name)] ?? (() => {}) });
  run(recordOperations(nothing as unknown as Backend, (call) => calls.push(call)));
  return calls;
}
