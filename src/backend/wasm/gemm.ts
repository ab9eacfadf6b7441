/**
 * The commands of a matmul, c (M, N) = start + a (M, K) b (K, N), for assembly/gemm.ts.
 *
 * The operand on the shorter side of c is packed first, once for all threads. Then parts of the longer side are claimed: the
 * thread packs its own part of the other operand and multiplies it with what is shared. So nothing is packed twice,
 * however fine the parts are. Where the shared operand exceeds its buffer, blocks of it follow each other.
 */
import type { KernelName } from "./kernels.ts";
import { units, type Work } from "./parts.ts";

export interface Matrix {
  readonly address: number;
  /** Floats from one stored row to the next. */
  readonly ld: number;
  /** Stored with rows and columns exchanged. */
  readonly transposed: boolean;
}

export interface Gemm {
  readonly M: number;
  readonly N: number;
  readonly K: number;
  readonly a: Matrix;
  readonly b: Matrix;
  /** Byte address of c, whose rows are N floats. */
  readonly c: number;
  /** Byte address of a row of N floats to start from; 0: none. */
  readonly bias: number;
  /** c is added to. */
  readonly accumulate: boolean;
}

export interface Command {
  readonly kernel: KernelName;
  readonly work: Work;
  readonly args: readonly number[];
}

/** Floats of the buffer for the shared operand. */
export const PACKED_FLOATS = 2 ** 20;
/** Longest block of k, as in assembly/gemm.ts. */
const DEPTH = 384;
/** A multiple of the rows and columns of every tile. */
const TILES = 48;
/** Most rows or columns of a tile; a packed block is padded to whole tiles. */
const TILE = 16;

/** Bits of the last argument of both kernels: the shared operand is a; rows of the operand are stored by k; c is added to. */
const SHARED_A = 1;
const BY_K = 2;
const ACCUMULATE = 4;

/** Nanoseconds of a multiply-add in a tile, and of packing a float. */
const MADD_NS = 0.02;
const PACK_NS = 0.3;

/** `packed`: byte address of a buffer of `capacity` floats. */
export function* gemmCommands(gemm: Gemm, packed: number, capacity = PACKED_FLOATS): Generator<Command> {
  const { M, N, K, a, b } = gemm;
  const isA = M <= N;
  const [shared, other, count, n] = isA ? [a, b, M, N] : [b, a, N, M];
  const depth = evenBlock(K, DEPTH);
  const most = Math.ceil(evenBlock(count, Math.floor((capacity / depth - TILE) / TILES) * TILES) / TILES) * TILES;
  for (let first = 0; first < count; first += most) {
    const rows = Math.min(most, count - first);
    const longest = Math.floor(capacity / (rows + TILE) / depth) * depth;
    const bias = gemm.bias && gemm.bias + (isA ? 0 : 4 * first);
    for (let k0 = 0; k0 < K; k0 += longest) {
      const k = Math.min(longest, K - k0);
      const size = [rows, k, depth];
      const byK = isByK(shared, isA);
      yield {
        kernel: "packShared",
        work: byK ? units(k, rows * PACK_NS) : units(Math.ceil(rows / TILE), TILE * k * PACK_NS),
        args: [packed, isA ? at(shared, first, k0) : at(shared, k0, first), shared.ld, ...size, bits(isA, byK, false)],
      };
      const from = isA ? at(other, k0, 0) : at(other, 0, k0);
      const c = gemm.c + 4 * (isA ? first * N : first);
      const options = bits(isA, isByK(other, !isA), gemm.accumulate || k0 > 0);
      yield {
        kernel: "multiplyShared",
        work: units(Math.ceil(n / TILE), TILE * k * (rows * MADD_NS + PACK_NS)),
        args: [packed, from, other.ld, c, N, bias, n, ...size, options],
      };
    }
  }
}

/** Length of the blocks, at most `most` long, that n is divided into: equal ones, not full ones and a small remainder. */
function evenBlock(n: number, most: number): number {
  return Math.ceil(n / Math.ceil(n / most));
}

/** Byte address of element (row, column) of a matrix. */
function at({ address, ld, transposed }: Matrix, row: number, column: number): number {
  return address + 4 * (transposed ? column * ld + row : row * ld + column);
}

/** True if a stored row holds one k: of a, which is (M, K), where it is transposed. */
function isByK({ transposed }: Matrix, isA: boolean): boolean {
  return isA === transposed;
}

function bits(isA: boolean, byK: boolean, accumulate: boolean): number {
  return (isA ? SHARED_A : 0) + (byK ? BY_K : 0) + (accumulate ? ACCUMULATE : 0);
}

/** Length of the longer side of c that makes a part of its own: a BLAS packs the shorter side again for each part. */
const BLAS_PART = 512;
const BLAS_PARTS_PER_THREAD = 4;

/** The same by a BLAS, for assembly/blas.ts: parts depend on shapes and threads alone, since bits depend on them. */
export function blasCommand({ M, N, K, a, b, c, bias, accumulate }: Gemm, threads: number): Command {
  const perThread = Math.floor(Math.max(M, N) / threads / BLAS_PART);
  const parts = threads * Math.min(BLAS_PARTS_PER_THREAD, Math.max(1, perThread));
  const options = (a.transposed ? 1 : 0) + (b.transposed ? 2 : 0) + (accumulate ? ACCUMULATE : 0);
  return {
    kernel: "multiplyForeign",
    work: units(parts, (M * N * K * MADD_NS) / parts),
    args: [c, a.address, a.ld, b.address, b.ld, bias, M, N, K, options],
  };
}
