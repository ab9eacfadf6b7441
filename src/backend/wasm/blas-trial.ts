/** What a BLAS is tried with before it computes: its results, and its speed beside the kernels'. */
import type { BlasTrial } from "../../platform/platform.ts";
import type { WasmBackend } from "./backend.ts";
import type { Sgemm } from "./kernels.ts";

/** Sizes of the direct calls: odd, in rows longer than the matrices. */
const [M, N, K] = [37, 29, 53];
const GAP = 3;
/** Rounding of a sum of K products of numbers in -1 … 1 stays far below this. */
const TOLERANCE = 1e-4;

/** Forms of a call: each operand as it is or transposed, c overwritten or added to. */
const forms = [0, 1].flatMap((transA) =>
  [0, 1].flatMap((transB) => [0, 1].map((accumulate) => ({ transA, transB, accumulate }))),
);

/** Reason against a sgemm over `memory` (64 KiB at least), by its results: a phrase; undefined where they are right. */
export function problemOfSgemm(sgemm: Sgemm, memory: WebAssembly.Memory): string | undefined {
  for (const form of forms) {
    // What c holds must not matter where it is overwritten.
    const error = errorOf(sgemm, memory, form, form.accumulate ? 1 : Number.NaN);
    if (!(error <= TOLERANCE)) return "it computes wrong results";
  }
  return hidesNaN(sgemm, memory) ? "it hides NaN: 0 times NaN must be NaN" : undefined;
}

/** Largest error of one call, or of a write between c's rows. */
function errorOf(sgemm: Sgemm, memory: WebAssembly.Memory, form: (typeof forms)[number], before: number): number {
  const { transA, transB, accumulate } = form;
  const lda = (transA ? M : K) + GAP;
  const ldb = (transB ? K : N) + GAP;
  const ldc = N + GAP;
  const a = new Float32Array(memory.buffer, 64, M * K + GAP * (M + K));
  const b = new Float32Array(memory.buffer, 64 + a.byteLength, K * N + GAP * (K + N));
  const c = new Float32Array(memory.buffer, 64 + a.byteLength + b.byteLength, M * ldc);
  for (const array of [a, b]) for (let i = 0; i < array.length; i++) array[i] = Math.sin(i * i);
  c.fill(before);
  sgemm(transA, transB, M, N, K, a.byteOffset, lda, b.byteOffset, ldb, c.byteOffset, ldc, accumulate);
  let worst = 0;
  for (let i = 0; i < M; i++) {
    for (let j = 0; j < ldc; j++) {
      const found = c[i * ldc + j];
      if (j >= N) {
        if (!Object.is(found, before)) return Infinity;
        continue;
      }
      let sum = accumulate ? before : 0;
      for (let k = 0; k < K; k++) sum += a[transA ? k * lda + i : i * lda + k] * b[transB ? j * ldb + k : k * ldb + j];
      const error = Math.abs(found - sum);
      worst = error <= worst ? worst : error; // NaN is kept
    }
  }
  return worst;
}

/** True if a NaN in b has no effect where a is 0, as where a library skips zeros. */
function hidesNaN(sgemm: Sgemm, memory: WebAssembly.Memory): boolean {
  const size = 16;
  const at = (i: number) => new Float32Array(memory.buffer, 64 + 4 * size * size * i, size * size);
  const [a, b, c] = [at(0), at(1), at(2)];
  return [0, 1].some((trans) => {
    a.fill(0);
    b.fill(1);
    b[5 * size + 5] = Number.NaN;
    sgemm(trans, trans, size, size, size, a.byteOffset, size, b.byteOffset, size, c.byteOffset, size, 0);
    return !c.includes(Number.NaN);
  });
}

/** Runs what `enqueue` gives the backend, over and over, with the kernels and with the BLAS in turn. */
interface ShapeClass {
  readonly name: string;
  readonly enqueue: (backend: WasmBackend) => { readonly run: () => void; readonly free: () => Promise<unknown> };
}

/** The three matmuls of a layer. */
function layer(name: string, rows: number, C: number, OC: number): ShapeClass {
  return {
    name,
    enqueue(backend) {
      const [x, y, weight] = [backend.alloc([rows, C]), backend.alloc([rows, OC]), backend.alloc([OC, C])];
      return {
        run() {
          backend.matmulForward(y, x, { weight, bias: null });
          backend.matmulBackwardInput(x, y, { weight, bias: null });
          backend.matmulBackwardWeight({ weight, bias: null, accumulate: false }, y, x);
        },
        free: () => Promise.all([x, y, weight].map((tensor) => backend.free(tensor))),
      };
    },
  };
}

function attention(name: string, B: number, T: number, NH: number, C: number): ShapeClass {
  return {
    name,
    enqueue(backend) {
      const [qkv, dqkv] = [backend.alloc([B, T, 3 * C]), backend.alloc([B, T, 3 * C])];
      const [out, saved] = [backend.alloc([B, T, C]), backend.alloc([backend.attentionSavedSize({ B, T, C, NH })])];
      return {
        run() {
          backend.attentionForward(out, saved, qkv, NH);
          backend.attentionBackward(dqkv, out, qkv, saved, NH);
        },
        free: () => Promise.all([qkv, dqkv, out, saved].map((tensor) => backend.free(tensor))),
      };
    },
  };
}

const classes: readonly ShapeClass[] = [
  layer("768 channels", 256, 768, 768),
  layer("128 channels", 768, 128, 512),
  attention("attention", 4, 64, 12, 768),
];

const ROUNDS = 7;
const ROUND_MS = 10;

/** The backend's speed with its BLAS, relative to that without, by class of shapes: medians of rounds in turn. */
export async function timeBlas(backend: WasmBackend): Promise<Pick<BlasTrial, "ratios" | "gain">> {
  const medians: Record<string, number> = {};
  for (const { name, enqueue } of classes) {
    const { run, free } = enqueue(backend);
    const found: number[] = [];
    for (let round = 0; round <= ROUNDS; round++) {
      const [own, blas] = [await msOf(backend, false, run), await msOf(backend, true, run)];
      if (round > 0) found.push(own / blas);
    }
    await free();
    medians[name] = found.sort((a, b) => a - b)[ROUNDS >> 1];
  }
  const logarithms = Object.values(medians).map(Math.log);
  return { ratios: medians, gain: Math.exp(logarithms.reduce((a, b) => a + b) / logarithms.length) };
}

async function msOf(backend: WasmBackend, blas: boolean, run: () => void): Promise<number> {
  backend.useBlas(blas);
  const start = performance.now();
  let times = 0;
  for (let ms = 0; ; times++) {
    if (ms >= ROUND_MS) return ms / times;
    run();
    await backend.sync();
    ms = performance.now() - start;
  }
}
