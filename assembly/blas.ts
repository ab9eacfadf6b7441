// Matmuls by the system's BLAS, where the host provides one: `sgemm`, which each thread calls for its own parts of an output.
import { copyFloats } from "./pack";
import { shareStart } from "./split";

/**
 * c (M, N) = a b, or c + a b if `accumulate`. Operands as for sgemm of gemm.ts; the arguments are those of cblas_sgemm in their
 * order, without its constants.
 */
// @ts-ignore: AssemblyScript's decorator
@external("env", "sgemm")
export declare function foreignSgemm(
  transA: bool, transB: bool, M: i32, N: i32, K: i32, a: usize, lda: i32, b: usize, ldb: i32, c: usize, ldc: i32,
  accumulate: bool,
): void;

/** Multiply-adds from which on a matmul of attention is the BLAS's. */
let foreignFrom: f64 = Infinity;

/** Leaves attention's matmuls of at least `work` multiply-adds to the BLAS; infinity, the default: none. */
export function setForeign(work: f64): void {
  foreignFrom = work;
}

/** True if a matmul of attention is the BLAS's. */
// @ts-ignore: AssemblyScript's decorator
@inline
export function isForeign(M: i32, N: i32, K: i32): bool {
  return <f64>M * N * K >= foreignFrom;
}

/** Bits of multiplyForeign's last argument. */
const TRANS_A = 1;
const TRANS_B = 2;
const ACCUMULATE = 4;

/** Length of the longer side of c that parts take whole. */
const GRAIN = 16;

/**
 * c (M, N) = start + a b. Start is c itself (ACCUMULATE), else the bias row, or zero if that is 0. Parts divide the longer side of
 * c.
 */
export function multiplyForeign(
  part: i32, parts: i32, c: usize, a: usize, lda: i32, b: usize, ldb: i32, bias: usize, M: i32, N: i32, K: i32, bits: i32,
): void {
  const transA = (bits & TRANS_A) != 0;
  const transB = (bits & TRANS_B) != 0;
  const first = shareStart(max(M, N), GRAIN, part, parts);
  const count = shareStart(max(M, N), GRAIN, part + 1, parts) - first;
  if (count == 0) return;
  let rows = M;
  let columns = N;
  if (M > N) {
    rows = count;
    a += <usize>first * (transA ? 1 : lda) << 2;
    c += <usize>first * N << 2;
  } else {
    columns = count;
    b += <usize>first * (transB ? ldb : 1) << 2;
    c += <usize>first << 2;
    if (bias) bias += <usize>first << 2;
  }
  if (bias) for (let i = 0; i < rows; i++) copyFloats(c + (<usize>i * N << 2), bias, columns);
  foreignSgemm(transA, transB, rows, columns, K, a, lda, b, ldb, c, N, (bits & ACCUMULATE) != 0 || bias != 0);
}
