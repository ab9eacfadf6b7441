/** The three matrix products of a linear layer, at the sizes that GPT-2 and the small model have. */
import { type Backend, type Tensor, view } from "../backend/backend.ts";
import { Xorshift64 } from "../random/xorshift.ts";
import { type Contender, repeated } from "./contest.ts";

/**
 * Forward: y (N,OC) = x (N,C) w (OC,C)ᵀ, both operands read along their rows (NT). The input's gradient is y w (NN), the
 * weight's yᵀ x (TN).
 */
export const forms = ["NT", "NN", "TN"] as const;

export type Form = (typeof forms)[number];

export interface Layer {
  readonly name: string;
  readonly N: number;
  readonly C: number;
  readonly OC: number;
}

export interface Product extends Layer {
  readonly form: Form;
}

const d12: readonly Layer[] = [
  { name: "d12 qkv", N: 256, C: 768, OC: 2304 },
  { name: "d12 projection", N: 256, C: 768, OC: 768 },
  { name: "d12 MLP up", N: 256, C: 768, OC: 3072 },
  { name: "d12 MLP down", N: 256, C: 3072, OC: 768 },
  { name: "d12 head", N: 256, C: 768, OC: 50304 },
];
const d12Long: readonly Layer[] = [{ name: "d12 MLP up", N: 1024, C: 768, OC: 3072 }];
const baby: readonly Layer[] = [
  { name: "baby qkv", N: 768, C: 128, OC: 384 },
  { name: "baby projection", N: 768, C: 128, OC: 128 },
  { name: "baby MLP up", N: 768, C: 128, OC: 512 },
  { name: "baby MLP down", N: 768, C: 512, OC: 128 },
];

export function productsOf(models: readonly string[], quick: boolean): Product[] {
  const layers = [
    ...(models.includes("d12") ? d12 : []),
    ...(models.includes("d12") && !quick ? d12Long : []),
    ...(models.includes("baby") ? baby : []),
  ];
  return layers.flatMap((layer) => forms.map((form) => ({ ...layer, form })));
}

/** A product as M x N x K: rows and columns of the result, and the length of the sums. */
export function dimensions({ form, N, C, OC }: Product): readonly [M: number, N: number, K: number] {
  if (form === "NT") return [N, OC, C];
  return form === "NN" ? [N, C, OC] : [OC, C, N];
}

export function workOf(product: Product) {
  const [M, N, K] = dimensions(product);
  return { flops: 2 * M * N * K, bytes: 4 * (M * K + K * N + M * N) };
}

export const operandNames = ["x", "y", "w", "out"] as const;

export type Operands<Value> = Record<(typeof operandNames)[number], Value>;

/** How large an array each operand needs for the largest of some products. */
export function operandSizes(products: readonly Product[]): Operands<number> {
  const most = (size: (layer: Layer) => number) => products.reduce((max, layer) => Math.max(max, size(layer)), 1);
  return {
    x: most(({ N, C }) => N * C),
    y: most(({ N, OC }) => N * OC),
    w: most(({ C, OC }) => C * OC),
    out: most(({ N, C, OC }) => Math.max(N * C, N * OC, C * OC)),
  };
}

const PIECE = 2 ** 16;
const piece = new Float32Array(PIECE);

/** Numbers between -1 and 1, the same for everyone. */
export function numbers(size: number): Float32Array {
  if (piece[0] === 0) {
    const random = new Xorshift64(1n);
    for (let i = 0; i < PIECE; i++) piece[i] = 2 * random.randfloat32() - 1;
  }
  return piece.subarray(0, Math.min(size, PIECE));
}

/** Our own products, on operands that all products of one backend share. */
export class OwnProducts {
  readonly #backend: Backend;
  readonly #operands: Operands<Tensor>;

  private constructor(backend: Backend, operands: Operands<Tensor>) {
    this.#backend = backend;
    this.#operands = operands;
  }

  static async create(backend: Backend, products: readonly Product[]): Promise<OwnProducts> {
    const sizes = operandSizes(products);
    const make = async (size: number) => {
      const tensor = backend.alloc([size]);
      for (let at = 0; at < size; at += PIECE) {
        const values = numbers(size - at);
        await backend.write(view(tensor, at, [values.length]), values);
      }
      return tensor;
    };
    const [x, y, w, out] = [await make(sizes.x), await make(sizes.y), await make(sizes.w), await make(sizes.out)];
    return new OwnProducts(backend, { x, y, w, out });
  }

  contender({ form, N, C, OC }: Product, leastMs: number): Contender {
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
    return repeated("llm.ts", leastMs, async (times) => {
      for (let i = 0; i < times; i++) run();
      await this.#backend.sync();
    });
  }

  async free(): Promise<void> {
    for (const name of operandNames) await this.#backend.free(this.#operands[name]);
  }
}
