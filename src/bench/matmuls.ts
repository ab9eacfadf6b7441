/** The three matmuls of a linear layer, in the sizes of GPT-2 (d12) and of the small model (baby). */
import { type Backend, type Tensor, view } from "../backend/backend.ts";
import { Xorshift64 } from "../random/xorshift.ts";
import { type Runner, repeated } from "./comparison.ts";
import type { ModelName } from "./steps.ts";

/**
 * NT, forward: y (N,OC) = x (N,C) w (OC,C)ᵀ. NN, the gradient of the input: y w. TN, the gradient of the weight: yᵀ x.
 */
export const forms = ["NT", "NN", "TN"] as const;

export type Form = (typeof forms)[number];

export interface Layer {
  readonly name: string;
  readonly N: number;
  readonly C: number;
  readonly OC: number;
}

export interface Matmul extends Layer {
  readonly form: Form;
}

const layers: Readonly<Record<ModelName, readonly Layer[]>> = {
  d12: [
    { name: "d12 qkv", N: 256, C: 768, OC: 2304 },
    { name: "d12 projection", N: 256, C: 768, OC: 768 },
    { name: "d12 MLP up", N: 256, C: 768, OC: 3072 },
    { name: "d12 MLP down", N: 256, C: 3072, OC: 768 },
    { name: "d12 head", N: 256, C: 768, OC: 50304 },
  ],
  baby: [
    { name: "baby qkv", N: 768, C: 128, OC: 384 },
    { name: "baby projection", N: 768, C: 128, OC: 128 },
    { name: "baby MLP up", N: 768, C: 128, OC: 512 },
    { name: "baby MLP down", N: 768, C: 512, OC: 128 },
  ],
};
const d12Long: Layer = { name: "d12 MLP up", N: 1024, C: 768, OC: 3072 };

/** A model's matmuls, with `rows` tokens or the usual number. A backend computes its head in blocks: at most the usual ones. */
export function matmulsOf(model: ModelName, quick: boolean, rows?: number): Matmul[] {
  const usual = model === "d12" && !quick && rows === undefined ? [...layers.d12, d12Long] : layers[model];
  const rowsOf = ({ name, N }: Layer) => (name === "d12 head" ? Math.min(N, rows ?? N) : (rows ?? N));
  return usual.flatMap((layer) => forms.map((form) => ({ ...layer, N: rowsOf(layer), form })));
}

/** Rows and columns of the result, and the length of its sums. */
export function dimensions({ form, N, C, OC }: Matmul): readonly [M: number, N: number, K: number] {
  if (form === "NT") return [N, OC, C];
  return form === "NN" ? [N, C, OC] : [OC, C, N];
}

export function workOf(matmul: Matmul) {
  const [M, N, K] = dimensions(matmul);
  return { flops: 2 * M * N * K, bytes: 4 * (M * K + K * N + M * N) };
}

const operandNames = ["x", "y", "w", "out"] as const;

export type Operands<Value> = Record<(typeof operandNames)[number], Value>;

/** Elements of each operand of the largest matmuls. */
export function operandSizes(matmuls: readonly Matmul[]): Operands<number> {
  const most = (size: (layer: Layer) => number) => matmuls.reduce((max, layer) => Math.max(max, size(layer)), 1);
  return {
    x: most(({ N, C }) => N * C),
    y: most(({ N, OC }) => N * OC),
    w: most(({ C, OC }) => C * OC),
    out: most(({ N, C, OC }) => Math.max(N * C, N * OC, C * OC)),
  };
}

const PIECE = 2 ** 16;
const piece = new Float32Array(PIECE);

/** Uniform numbers in [-1, 1), the same for every runner; at most PIECE of them. */
export function numbers(size: number): Float32Array {
  if (piece[0] === 0) {
    const random = new Xorshift64(1n);
    for (let i = 0; i < PIECE; i++) piece[i] = 2 * random.randfloat32() - 1;
  }
  return piece.subarray(0, Math.min(size, PIECE));
}

/** Matmuls of llm.ts, on operands shared by all matmuls of one backend. */
export class OwnMatmuls {
  readonly #backend: Backend;
  readonly #operands: Operands<Tensor>;

  private constructor(backend: Backend, operands: Operands<Tensor>) {
    this.#backend = backend;
    this.#operands = operands;
  }

  static async create(backend: Backend, matmuls: readonly Matmul[]): Promise<OwnMatmuls> {
    const sizes = operandSizes(matmuls);
    const make = async (size: number) => {
      const tensor = backend.alloc([size]);
      for (let at = 0; at < size; at += PIECE) {
        const values = numbers(size - at);
        await backend.write(view(tensor, at, [values.length]), values);
      }
      return tensor;
    };
    const [x, y, w, out] = [await make(sizes.x), await make(sizes.y), await make(sizes.w), await make(sizes.out)];
    return new OwnMatmuls(backend, { x, y, w, out });
  }

  runner({ form, N, C, OC }: Matmul, minMs: number): Runner {
    const cut = (tensor: Tensor, ...shape: number[]) => view(tensor, 0, shape);
    const operands = this.#operands;
    const [x, y] = [cut(operands.x, N, C), cut(operands.y, N, OC)];
    const w = { weight: cut(operands.w, OC, C), bias: null };
    const dw = { weight: cut(operands.out, OC, C), bias: null, accumulate: false };
    const run = {
      NT: () => this.#backend.matmulForward(cut(operands.out, N, OC), x, w),
      NN: () => this.#backend.matmulBackwardInput(cut(operands.out, N, C), y, w),
      TN: () => this.#backend.matmulBackwardWeight(dw, y, x),
    }[form];
    return repeated("llm.ts", minMs, async (times) => {
      for (let i = 0; i < times; i++) run();
      await this.#backend.sync();
    });
  }

  async free(): Promise<void> {
    for (const name of operandNames) await this.#backend.free(this.#operands[name]);
  }
}
