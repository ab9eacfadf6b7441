/** Sums of rows, and over all elements of tensors. */
import { matrixOf, type Tensor, view } from "../backend.ts";
import type { WebGpuDevice } from "./device.ts";
import { gridOf, inVectors, partsOf } from "./dispatch.ts";
import { addRowsSource, COLUMNS, columnSumsSource } from "./wgsl/rows.ts";
import { THREADS } from "./wgsl/snippets.ts";
import { CHUNK, chunkSumsSource, combineSource } from "./wgsl/sums.ts";

interface Rows {
  /** Elements of a row. */
  readonly n: number;
  readonly first: number;
  readonly rows: number;
  readonly accumulate: boolean;
}

/** out (n) = the sum of some rows of part, or added to it. */
export function addRows(gpu: WebGpuDevice, out: Tensor, part: Tensor, { n, first, rows, accumulate }: Rows): void {
  const vectors = inVectors(out, n) && inVectors(part, n);
  const width = vectors ? n / 4 : n;
  gpu.run({
    key: vectors ? "add rows, vectors" : "add rows",
    source: () => addRowsSource(vectors),
    tensors: [out, part],
    u32: [width, first, rows, Number(accumulate)],
    grid: gridOf(width, THREADS),
    flops: rows * n,
  });
}

/** Sums over N rows are taken in this many parts: rows a part, and parts. */
export function chunksOf(N: number): { readonly rows: number; readonly chunks: number } {
  const rows = Math.max(32, Math.ceil(N / 64));
  return { rows, chunks: Math.ceil(N / rows) };
}

/** out (C) = the sum of the rows of inp (N,C), or added to it. */
export function columnSums(gpu: WebGpuDevice, out: Tensor, inp: Tensor, accumulate: boolean): void {
  const [all, C] = matrixOf(inp);
  for (const { first, count: N } of partsOf(all, Math.floor(gpu.window / (4 * C)))) {
    const { rows, chunks } = chunksOf(N);
    const part = gpu.scratch("columns", chunks * C);
    gpu.run({
      key: "column sums",
      source: () => columnSumsSource,
      tensors: [part, view(inp, first * C, [N, C])],
      u32: [N, C, rows],
      grid: [Math.ceil(C / COLUMNS), chunks],
      flops: N * C,
    });
    addRows(gpu, out, part, { n: C, first: 0, rows: chunks, accumulate: accumulate || first > 0 });
  }
}

/** out (1) = the sum of all elements of all tensors, or of their squares, over `divisor`. */
export function sumOf(
  gpu: WebGpuDevice,
  out: Tensor,
  tensors: readonly Tensor[],
  of: { squares: boolean; divisor: number },
) {
  const chunksIn = (size: number) => Math.ceil(size / CHUNK);
  const chunks = tensors.reduce((sum, { size }) => sum + chunksIn(size), 0);
  const partials = gpu.scratch("partials", 2 * chunks);
  const most = Math.floor(gpu.window / 4 / CHUNK) * CHUNK;
  let chunk = 0;
  for (const tensor of tensors)
    for (const { first, count } of partsOf(tensor.size, most)) {
      gpu.run({
        key: of.squares ? "sums of squares" : "sums",
        source: () => chunkSumsSource(of.squares),
        tensors: [partials, view(tensor, first, [count])],
        u32: [count, chunk, 0],
        grid: gridOf(count, CHUNK),
        flops: 20 * count,
      });
      chunk += chunksIn(count);
    }
  gpu.run({
    key: "combine sums",
    source: () => combineSource,
    tensors: [out, partials],
    u32: [chunks, 0],
    f32: [of.divisor],
    grid: [1],
    flops: chunks,
  });
}
