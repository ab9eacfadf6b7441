/** Matrix products: which kernel computes one, in how many parts. */
import { BackendError } from "../../errors.ts";
import { elementBytes, type Gradient, type Linear, matrixOf, type Tensor, view } from "../backend.ts";
import type { WebGpuDevice } from "./device.ts";
import { gridOf, inVectors } from "./dispatch.ts";
import { addRows, columnSums } from "./sums.ts";
import { isHalf, type TileName } from "./tile-names.ts";
import { type Form, sizeOfResult, type TileChoice, usualTiles } from "./tiles.ts";
import { DOT_COLUMNS, dotsSource, FEW_ROWS } from "./wgsl/dots.ts";
import { matmulKey, matmulSource, tileOf } from "./wgsl/matmul.ts";

/** C (M,N) = A B, or added to C. */
export interface Product {
  readonly M: number;
  readonly N: number;
  readonly K: number;
  readonly A: Tensor;
  readonly B: Tensor;
  readonly C: Tensor;
  readonly bias: Tensor | null;
  /** A is stored (M,K), else (K,M); B is stored (N,K), else (K,N). */
  readonly kInnerA: boolean;
  readonly kInnerB: boolean;
  /** Elements between rows as they lie in memory. */
  readonly strideA: number;
  readonly strideB: number;
  readonly strideC: number;
  readonly accumulate: boolean;
  /** A power of two by which A is multiplied before it is rounded to float16. */
  readonly scale: number;
}

/** As many workgroups occupy a GPU: with fewer tiles, K is divided as well. */
const ENOUGH_GROUPS = 128;

/** K is divided into parts of no less. */
const LEAST_K = 256;

/** Floating-point operations of one dispatch, at most: systems reset a GPU that is busy for two seconds. */
export const LONGEST = 5e10;

/** Products are cut at multiples of this, so that all operands stay whole vectors. */
const CUT = 64;

/** A tile of no form deeper than this in K. */
const DEEPEST = 16;

/** The matrix products of a device, all with one tile or each with the one that suits its form and size. */
export class Matmul {
  choice: TileChoice = usualTiles;
  readonly #gpu: WebGpuDevice;
  readonly #tile: TileName | undefined;

  constructor(gpu: WebGpuDevice, tile?: TileName) {
    this.#gpu = gpu;
    this.#tile = tile;
  }

  forward(out: Tensor, inp: Tensor, { weight, bias }: Linear): void {
    const [N, C] = matrixOf(inp);
    const [OC] = weight.shape;
    const operands = { A: inp, B: weight, C: out, bias, strideA: C, strideB: C, strideC: OC };
    this.#multiply({ M: N, N: OC, K: C, ...operands, kInnerA: true, kInnerB: true, accumulate: false, scale: 1 });
  }

  backwardInput(dinp: Tensor, dout: Tensor, weight: Tensor): void {
    const [N, OC] = matrixOf(dout);
    const [, C] = weight.shape;
    const operands = { A: dout, B: weight, C: dinp, bias: null, strideA: OC, strideB: C, strideC: C };
    const [accumulate, scale] = [false, scaleOf(N)];
    this.#multiply({ M: N, N: C, K: OC, ...operands, kInnerA: true, kInnerB: false, accumulate, scale });
  }

  backwardWeight({ weight, bias, accumulate }: Gradient<Linear>, dout: Tensor, inp: Tensor): void {
    const [N, C] = matrixOf(inp);
    const [, OC] = matrixOf(dout);
    const operands = { A: dout, B: inp, C: weight, bias: null, strideA: OC, strideB: C, strideC: C };
    const scale = scaleOf(N);
    this.#multiply({ M: OC, N: C, K: N, ...operands, kInnerA: false, kInnerB: false, accumulate, scale });
    if (bias) columnSums(this.#gpu, bias, dout, accumulate);
  }

  /** In halves, where an operand is larger than a binding. */
  #multiply(product: Product): void {
    const cut = cutOf(product, this.#gpu.window);
    if (cut) for (const half of halvesOf(product, cut)) this.#multiply(half);
    else if (isOfFewRows(product)) this.#dots(product);
    else this.#tiled(product);
  }

  #tiled(product: Product): void {
    const { M, N, K, A, B, C, bias, kInnerA, kInnerB, strideA, strideB, strideC, accumulate, scale } = product;
    const name = this.#tile ?? this.choice[formOf(product)][sizeOfResult(M, N)];
    const { matrixUnit } = this.#gpu.adapter;
    const { BM, BN } = tileOf(name, matrixUnit);
    const form = {
      kInnerA,
      kInnerB,
      vectorsA: inVectors(A, strideA, kInnerA ? K : M),
      vectorsB: inVectors(B, strideB, kInnerB ? K : N),
      vectorsC: inVectors(C, strideC, N),
      bias: bias !== null,
    };
    const canSplit = !bias && strideC === N;
    const parts = canSplit ? partsOfSum(product) : 1;
    const isSplit = parts > 1;
    const target = isSplit ? this.#gpu.scratch("parts", parts * M * N) : C;
    const kSplit = isSplit ? Math.ceil(K / parts / DEEPEST) * DEEPEST : K;
    this.#gpu.run({
      key: matmulKey(name, form),
      source: () => matmulSource(name, form, matrixUnit),
      tensors: bias ? [target, A, B, bias] : [target, A, B],
      u32: [M, N, K, strideA, strideB, strideC, Number(accumulate && !isSplit), kSplit, M * N],
      f32: isHalf(name) ? [scale, 1 / scale] : [],
      grid: [Math.ceil(N / BN), Math.ceil(M / BM), isSplit ? parts : 1],
      flops: 2 * M * N * K,
    });
    if (isSplit) addRows(this.#gpu, C, target, { n: M * N, first: 0, rows: parts, accumulate });
  }

  #dots({ M, N, K, A, B, C, bias, strideC }: Product): void {
    const vectors = inVectors(A, K, K) && inVectors(B, K, K);
    this.#gpu.run({
      key: `dots ${M}${vectors ? " vectors" : ""}${bias ? " bias" : ""}`,
      source: () => dotsSource(M, vectors, bias !== null),
      tensors: bias ? [C, A, B, bias] : [C, A, B],
      u32: [vectors ? K / 4 : K, N, strideC],
      grid: gridOf(N, DOT_COLUMNS),
      flops: 2 * M * N * K,
    });
  }
}

/**
 * Gradients of a mean over N tokens are about 1/N of a token's own, of which float16 would lose the small ones: multiplied by
 * N, rounded up to a power of two, so that nothing else is rounded.
 */
function scaleOf(N: number): number {
  return 2 ** Math.ceil(Math.log2(N));
}

/** Dot products write element by element. */
function isOfFewRows({ M, C, kInnerA, kInnerB }: Product): boolean {
  return M <= FEW_ROWS && kInnerA && kInnerB && C.dtype === "f32";
}

function formOf({ kInnerA, kInnerB }: Product): Form {
  if (!kInnerA) return "weight";
  return kInnerB ? "forward" : "input";
}

/** Parts into which K is divided: those that the usual tile needs, with any tile, so that all add in the same order. */
function partsOfSum(product: Product): number {
  const { M, N, K } = product;
  const { BM, BN } = tileOf(usualTiles[formOf(product)][sizeOfResult(M, N)]);
  return Math.min(Math.ceil(ENOUGH_GROUPS / (Math.ceil(N / BN) * Math.ceil(M / BM))), Math.floor(K / LEAST_K));
}

/**
 * The dimension to cut so that each operand is at most `most` bytes, and the work no longer than one dispatch may be;
 * undefined if it is so. Sums are cut for their operands alone.
 */
export function cutOf(product: Product, most: number): "M" | "N" | "K" | undefined {
  const { M, N, K, A, B, C, kInnerA, kInnerB, strideA, strideB, strideC } = product;
  const largeA = (kInnerA ? M : K) * strideA * elementBytes[A.dtype] > most;
  const largeB = (kInnerB ? N : K) * strideB * elementBytes[B.dtype] > most;
  const largeC = M * strideC * elementBytes[C.dtype] > most;
  if (!largeA && !largeB && !largeC) return 2 * M * N * K > LONGEST && M > CUT ? "M" : undefined;
  if (M > CUT && (largeC || (kInnerA && largeA))) return "M";
  if (N > CUT && kInnerB && largeB) return "N";
  if (K > CUT && ((!kInnerA && largeA) || (!kInnerB && largeB))) return "K";
  throw new BackendError(`A matmul of ${M}x${N}x${K} has rows too long for this GPU (maxStorageBufferBindingSize).`);
}

function halvesOf(product: Product, cut: "M" | "N" | "K"): [Product, Product] {
  const { A, B, C, bias, kInnerA, kInnerB, strideA, strideB, strideC } = product;
  const at = Math.ceil(product[cut] / 2 / CUT) * CUT;
  const from = (tensor: Tensor, start: number) => view(tensor, start, [tensor.size - start]);
  const first = { ...product, [cut]: at };
  const second = { ...product, [cut]: product[cut] - at };
  switch (cut) {
    case "M":
      return [first, { ...second, A: from(A, kInnerA ? at * strideA : at), C: from(C, at * strideC) }];
    case "N":
      return [
        first,
        { ...second, B: from(B, kInnerB ? at * strideB : at), C: from(C, at), bias: bias && from(bias, at) },
      ];
    case "K": {
      const operands = { A: from(A, kInnerA ? at : at * strideA), B: from(B, kInnerB ? at : at * strideB) };
      return [first, { ...second, ...operands, accumulate: true }];
    }
  }
}
