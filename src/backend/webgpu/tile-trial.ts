/** Times the tiles of the matrix products on an adapter, once; the fastest are kept for later starts. */
import { platform } from "#platform";
import { hashOf, ResultCache } from "../../platform/result-cache.ts";
import { type Precision, precisions, storageOf, type Tensor, view } from "../backend.ts";
import { fromBfloat16, toBfloat16 } from "../bfloat16.ts";
import type { OnStart } from "../entry.ts";
import { requireRight } from "./adapter.ts";
import type { WebGpuBackend } from "./backend.ts";
import { Matmul } from "./matmul.ts";
import { type TileName, tileNames } from "./tile-names.ts";
import { choiceAsText, choiceFrom, type Form, forms, type Size, sizes, type TileChoice, usualTiles } from "./tiles.ts";
import { matmulSource } from "./wgsl/matmul.ts";

/** M, N and K of a trial's products. */
export type Shapes = Readonly<Record<Size, readonly [M: number, N: number, K: number]>>;

/** GPT-2 124M's channels, and results in the middle of their size class. */
const shapesOfTrial: Shapes = { small: [256, 768, 768], medium: [1024, 1024, 768], large: [2048, 2048, 768] };

/** Duration of one measurement, of as many products as that takes, and how often each tile gets one. */
const MEASURE_MS = 20;
const ROUNDS = 3;

/** As much faster than the usual tile another one has to be: less is noise. */
const LEAST_GAIN = 0.95;

/** Elements of a result that are compared with sums in double precision. */
const CHECKED = 200;

/** Rounding stays below this; that of a result to bfloat16 is 2^-8 of it. */
const toleranceOf = { fp32: 1e-4, bf16: 2 ** -7 } as const satisfies Record<Precision, number>;

const cache = new ResultCache("webgpu-tiles", {
  recall: (name) => platform.recall(name),
  remember: (name, text) => platform.remember(name, text),
});

/** Everything that the speed of the tiles depends on: adapter, driver, engine and the kernels' source. */
function keyOf({ adapter: { label, driver } }: WebGpuBackend): string {
  const form = { vectorsA: true, vectorsB: true, vectorsC: true, bias: false };
  const sources = tileNames.map((name) => matmulSource(name, { ...form, kInnerA: true, kInnerB: true }).body);
  return `${label}, ${driver}, ${platform.engine()}, ${hashOf(new TextEncoder().encode(sources.join()))}`;
}

/** The tiles that an earlier start found fastest here; undefined where they have to be timed. */
export async function recallTiles(backend: WebGpuBackend): Promise<TileChoice | undefined> {
  return choiceFrom((await cache.recall(keyOf(backend))) ?? "", tileNames);
}

export async function keepTiles(backend: WebGpuBackend, choice: TileChoice): Promise<void> {
  await cache.keep(keyOf(backend), choiceAsText(choice));
}

/** Short: the part under way stands behind it, in a line of 80 columns. */
const choosing = "choosing GPU kernels";

/** Progress of the first start on an adapter, which checks its operations and times its tiles. */
export class FirstStart {
  /** The check, compiling the tiles, and each trial. */
  static readonly parts = 2 + forms.length * sizes.length;
  readonly #onStart: OnStart | undefined;
  #begun = 0;

  constructor(onStart: OnStart | undefined) {
    this.#onStart = onStart;
  }

  begin(name: string): void {
    const of = FirstStart.parts;
    this.#onStart?.(choosing, this.#begun / of, { name, number: this.#begun + 1, of });
    this.#begun++;
  }

  end(): void {
    this.#onStart?.(choosing, 1);
  }
}

export interface TrialOptions {
  readonly shapes?: Shapes;
  readonly tiles?: readonly TileName[];
  readonly progress?: FirstStart;
}

/** The fastest tile for each form and size. One that cannot be compiled or computes wrong, in any precision, is left out. */
export async function timeTiles(
  backend: WebGpuBackend,
  { shapes = shapesOfTrial, tiles = tileNames, progress }: TrialOptions = {},
): Promise<TileChoice> {
  const products = new Products(backend, shapes);
  try {
    progress?.begin("compiling the tiles");
    await products.fill();
    const right = await products.rightTiles(tiles);
    for (const form of forms)
      if (right[form].length === 0) requireRight(backend.adapter, `matmul ${form}, by every tile`);
    const choice: Record<Form, Record<Size, TileName>> = structuredClone(usualTiles) as never;
    for (const form of forms)
      for (const size of sizes) {
        progress?.begin(`${form}, ${size}`);
        choice[form][size] = await products.fastest(form, size, right[form]);
      }
    return choice;
  } finally {
    await products.free();
  }
}

/** Operands and result of a product. */
type Operands = readonly [A: Tensor, B: Tensor, C: Tensor];

/** Products of the shapes of a trial, in the same memory. */
class Products {
  readonly #gpu: WebGpuBackend;
  readonly #shapes: Shapes;
  /** For all shapes in fp32, for the small one with 16-bit storage. */
  readonly #operands: Readonly<Record<Precision, Operands>>;
  /** Of A and B: numbers that bfloat16 has as well. */
  readonly #contents: readonly Float32Array[];

  constructor(gpu: WebGpuBackend, shapes: Shapes) {
    this.#gpu = gpu;
    this.#shapes = shapes;
    const allocate = (precision: Precision, all: readonly Shapes[Size][]): Operands => {
      const most = (size: (shape: Shapes[Size]) => number) =>
        gpu.alloc([Math.max(...all.map(size))], storageOf[precision]);
      return [most(([M, , K]) => M * K), most(([, N, K]) => N * K), most(([M, N]) => M * N)];
    };
    this.#operands = { fp32: allocate("fp32", Object.values(shapes)), bf16: allocate("bf16", [shapes.small]) };
    const [A, B] = this.#operands.fp32;
    this.#contents = [A, B].map(({ size }, at) =>
      fromBfloat16(toBfloat16(Float32Array.from({ length: size }, (_, i) => Math.sin(at + 1.7 * i)))),
    );
  }

  async fill(): Promise<void> {
    for (const [A, B] of Object.values(this.#operands))
      for (const [i, tensor] of [A, B].entries())
        await this.#gpu.write(tensor, this.#contents[i].subarray(0, tensor.size));
  }

  async free(): Promise<void> {
    for (const tensor of Object.values(this.#operands).flat()) await this.#gpu.free(tensor);
  }

  #run(form: Form, size: Size, tile: TileName, [A, B, C] = this.#operands.fp32): void {
    const [M, N, K] = this.#shapes[size];
    const matmul = new Matmul(this.#gpu, tile);
    const result = view(C, 0, [M, N]);
    if (form === "forward") matmul.forward(result, view(A, 0, [M, K]), { weight: view(B, 0, [N, K]), bias: null });
    else if (form === "input") matmul.backwardInput(result, view(A, 0, [M, K]), view(B, 0, [K, N]));
    else {
      const dw = { weight: result, bias: null, accumulate: false };
      matmul.backwardWeight(dw, view(A, 0, [K, M]), view(B, 0, [K, N]));
    }
  }

  /** The tiles that compile and compute the small product right in every precision, by form. All are compiled side by side. */
  async rightTiles(tiles: readonly TileName[]): Promise<Record<Form, TileName[]>> {
    const [M, N] = this.#shapes.small;
    const isRight = async (form: Form, tile: TileName, precision: Precision) => {
      const operands = this.#operands[precision];
      const run = () => this.#run(form, "small", tile, operands);
      if (!(await this.#gpu.compiles(run))) return false;
      run();
      return this.#isRight(form, precision, await this.#gpu.read(view(operands[2], 0, [M, N])));
    };
    const rightOf = async (form: Form) => {
      const right = await Promise.all(
        tiles.map((tile) => Promise.all(precisions.map((precision) => isRight(form, tile, precision)))),
      );
      return tiles.filter((_, i) => right[i].every((one) => one));
    };
    const [forward, input, weight] = await Promise.all(forms.map(rightOf));
    return { forward, input, weight };
  }

  #isRight(form: Form, precision: Precision, result: Float32Array): boolean {
    const [M, N, K] = this.#shapes.small;
    const [a, b] = this.#contents;
    return Array.from({ length: CHECKED }, (_, i) => (i * 7919 + (i % 7)) % (M * N)).every((at) => {
      const [m, n] = [Math.floor(at / N), at % N];
      let sum = 0;
      for (let k = 0; k < K; k++)
        sum += (form === "weight" ? a[k * M + m] : a[m * K + k]) * (form === "forward" ? b[n * K + k] : b[k * N + n]);
      return Math.abs(result[at] - sum) <= toleranceOf[precision] * (1 + Math.abs(sum));
    });
  }

  /** The fastest of `tiles`; the usual one, if it is among them and no other is clearly faster. */
  async fastest(form: Form, size: Size, tiles: readonly TileName[]): Promise<TileName> {
    const usual = tiles.find((tile) => tile === usualTiles[form][size]) ?? tiles[0];
    for (const tile of tiles) this.#run(form, size, tile);
    await this.#gpu.sync();
    const once = await this.#msOf(form, size, usual, 1);
    const count = Math.min(100, Math.max(1, Math.round(MEASURE_MS / once)));
    const best = new Map<TileName, number>();
    for (let round = 0; round < ROUNDS; round++)
      for (const tile of tiles) {
        const ms = await this.#msOf(form, size, tile, count);
        best.set(tile, Math.min(ms, best.get(tile) ?? Number.POSITIVE_INFINITY));
      }
    const [[fastest, ms] = [usual, 0]] = [...best].sort(([, one], [, other]) => one - other);
    const usualMs = best.get(usual) ?? Number.POSITIVE_INFINITY;
    return ms < LEAST_GAIN * usualMs ? fastest : usual;
  }

  /** Milliseconds of a product, of `count` together. */
  async #msOf(form: Form, size: Size, tile: TileName, count: number): Promise<number> {
    const start = performance.now();
    for (let i = 0; i < count; i++) this.#run(form, size, tile);
    await this.#gpu.sync();
    return (performance.now() - start) / count;
  }
}
