import {
  type AttentionShape,
  type Backend,
  type BackendLimits,
  type BackendPromises,
  elementBytes,
  matrixOf,
  type Operations,
  type Precision,
  type Probes,
  precisions,
  type Tensor,
  view,
} from "../backend.ts";
import { problemOfMixed } from "../check.ts";
import { type OpenAdapter, requireRight } from "./adapter.ts";
import { attentionBackward, attentionForward } from "./attention.ts";
import { ALIGNMENT, WebGpuDevice } from "./device.ts";
import { gridOf, inVectors, partsOf } from "./dispatch.ts";
import { Matmul } from "./matmul.ts";
import { webGpuProbes } from "./probes.ts";
import { addRows, chunksOf, sumOf } from "./sums.ts";
import { isHalf, type TileName } from "./tile-names.ts";
import type { TileChoice } from "./tiles.ts";
import {
  adamwSource,
  addScaledSource,
  fillSource,
  fillWholeSource,
  geluBackwardSource,
  geluSource,
  residualSource,
} from "./wgsl/elementwise.ts";
import { rotarySource, turnsOf } from "./wgsl/rotary.ts";
import {
  COLUMNS,
  embeddingBackwardSource,
  embeddingSource,
  layernormBackwardSource,
  layernormColumnsSource,
  layernormSource,
  positionsBackwardSource,
  softmaxSource,
} from "./wgsl/rows.ts";
import { THREADS } from "./wgsl/snippets.ts";
import type { KernelSource } from "./wgsl/source.ts";

/** The head works on as many rows at a time as give this many logits (64 MiB). */
const HEAD_LOGITS = 2 ** 24;

/** Translates operations into dispatches: tensors into bindings, options into the kernels' parameters. */
export class WebGpuBackend extends WebGpuDevice implements Backend {
  readonly name = "webgpu";
  readonly kernel: string;
  readonly threads = 1;
  readonly limits: BackendLimits;
  readonly promises: BackendPromises;
  readonly precisions = precisions;
  readonly weightTypes = ["f32", "bf16"] as const;
  private readonly matmul: Matmul;
  /** The check of mixed precision, once it was asked for. */
  private mixedCheck: Promise<string | undefined> | undefined;
  /** Frequencies of rotary positions, by head size. */
  private readonly turns = new Map<number, Tensor>();

  constructor(adapter: OpenAdapter, tile?: TileName) {
    super(adapter);
    this.kernel = tile ?? "";
    this.promises = { sameBits: false, fma: true, halfMatmuls: isHalf(tile) };
    this.matmul = new Matmul(this, tile);
    // WebGPU does not tell how much memory a GPU has.
    this.limits = {
      total: Number.MAX_SAFE_INTEGER,
      buffer: adapter.limits.maxBufferSize,
      binding: this.window,
      names: { buffer: "maxBufferSize", binding: "maxStorageBufferBindingSize" },
      alignment: ALIGNMENT,
    };
  }

  /** The tiles of matmuls, where no kernel was chosen. */
  set tiles(choice: TileChoice) {
    this.matmul.choice = choice;
  }

  get device(): string {
    return this.adapter.label;
  }

  get description(): string {
    return ["webgpu", ...(this.kernel ? [this.kernel] : []), this.device].join(", ");
  }

  async selfCheck(precision: Precision): Promise<void> {
    if (precision === "fp32") return; // checked at the start
    this.mixedCheck ??= problemOfMixed(this);
    requireRight(this.adapter, await this.mixedCheck);
  }

  probes(): Promise<Probes> {
    return webGpuProbes(this);
  }

  readonly fill: Operations["fill"] = (out, value) => {
    if (out.dtype === "i32") this.elementwise("fill i32", () => fillWholeSource, [out], [value]);
    else this.elementwise("fill", fillSource, [out], [value]);
  };

  readonly embeddingForward: Operations["embeddingForward"] = (out, tokens, wte, wpe, past) => {
    const T = tokens.shape[1];
    for (const { first, count, rows } of this.rowsOf(wte)) {
      const [, C] = wte.shape;
      this.run({
        key: wpe ? "embedding" : "embedding of tokens",
        source: () => embeddingSource(wpe !== null),
        tensors: [out, tokens, rows, ...(wpe ? [wpe] : [])],
        u32: [out.size, T, C, past, first, first + count],
        grid: gridOf(out.size, THREADS),
        flops: out.size,
      });
    }
  };

  readonly embeddingBackward: Operations["embeddingBackward"] = (dwte, dwpe, dout, tokens) => {
    const [B, T] = tokens.shape;
    const [, C] = dwte.shape;
    for (const { first, count, rows } of this.rowsOf(dwte))
      this.run({
        key: "embedding backward",
        source: () => embeddingBackwardSource,
        tensors: [rows, dout, tokens],
        u32: [B * T, C, first, first + count],
        grid: gridOf(B * T),
        flops: B * T * (B * T + C),
      });
    if (!dwpe) return;
    this.run({
      key: "positions backward",
      source: () => positionsBackwardSource,
      tensors: [dwpe, dout],
      u32: [T * C, B],
      grid: gridOf(T * C, THREADS),
      flops: B * T * C,
    });
  };

  readonly layernormForward: Operations["layernormForward"] = (a, inp, w, epsilon) => {
    const hasMean = a.mean !== null;
    for (const { first, count, rows } of this.rowsOf(inp)) {
      const [, C] = rows.shape;
      const out = from(a.out, first * C);
      const vectors = [out, rows, w.weight, ...(w.bias ? [w.bias] : [])].every((tensor) => inVectors(tensor, C));
      this.run({
        key: `${hasMean ? "layernorm" : "rms norm"}${vectors ? ", vectors" : ""}`,
        source: () => layernormSource(hasMean, vectors),
        tensors: [
          out,
          ...(a.mean ? [from(a.mean, first)] : []),
          from(a.rstd, first),
          rows,
          w.weight,
          ...(w.bias ? [w.bias] : []),
        ],
        u32: [count, C, vectors ? C / 4 : C],
        f32: [epsilon, Number.NaN],
        grid: gridOf(count),
        flops: 10 * rows.size,
      });
    }
  };

  readonly layernormBackward: Operations["layernormBackward"] = (dinp, dw, dout, inp, w, a) => {
    const hasMean = a.mean !== null;
    const name = hasMean ? "layernorm" : "rms norm";
    for (const { first, count: N, rows: x } of this.rowsOf(inp)) {
      const [, C] = x.shape;
      const stats = [...(a.mean ? [from(a.mean, first)] : []), from(a.rstd, first)];
      const dx = from(dout, first * C);
      this.run({
        key: `${name} backward`,
        source: () => layernormBackwardSource(hasMean),
        tensors: [from(dinp, first * C), dx, x, w.weight, ...stats],
        u32: [N, C],
        grid: gridOf(N),
        flops: 15 * x.size,
      });
      const { rows, chunks } = chunksOf(N);
      const sums = this.scratch("columns", 2 * chunks * C);
      this.run({
        key: `${name} backward, columns`,
        source: () => layernormColumnsSource(hasMean),
        tensors: [sums, dx, x, ...stats],
        u32: [N, C, rows, chunks],
        grid: [Math.ceil(C / COLUMNS), chunks],
        flops: 5 * x.size,
      });
      const accumulate = dw.accumulate || first > 0;
      addRows(this, dw.weight, sums, { n: C, first: 0, rows: chunks, accumulate });
      if (dw.bias) addRows(this, dw.bias, sums, { n: C, first: chunks, rows: chunks, accumulate });
    }
  };

  readonly matmulForward: Operations["matmulForward"] = (out, inp, w) => this.matmul.forward(out, inp, w);

  readonly matmulBackwardInput: Operations["matmulBackwardInput"] = (dinp, dout, { weight }) =>
    this.matmul.backwardInput(dinp, dout, weight);

  readonly matmulBackwardWeight: Operations["matmulBackwardWeight"] = (dw, dout, inp) =>
    this.matmul.backwardWeight(dw, dout, inp);

  readonly rotaryForward: Operations["rotaryForward"] = (qkv, NH, past) => this.rotate(qkv, NH, past, false);

  readonly rotaryBackward: Operations["rotaryBackward"] = (dqkv, NH) => this.rotate(dqkv, NH, 0, true);

  private rotate(qkv: Tensor, NH: number, past: number, isBackward: boolean): void {
    const [, T, channels] = qkv.shape;
    const C = channels / 3;
    const hs = C / NH;
    const turns = this.turns.get(hs) ?? this.uploadTurns(hs);
    const vectors = inVectors(qkv, hs / 2);
    const [width, half] = vectors ? [C / 4, hs / 8] : [C, hs / 2];
    for (const { first, count, rows } of this.rowsOf(qkv))
      this.run({
        key: vectors ? "rotary, vectors" : "rotary",
        source: () => rotarySource(vectors),
        tensors: [rows, turns],
        u32: [count * width, T, width, half, past, first, Number(isBackward)],
        grid: gridOf(count * width, THREADS),
        flops: 30 * count * C,
      });
  }

  private uploadTurns(hs: number): Tensor {
    const turns = this.alloc([hs], "i32");
    this.turns.set(hs, turns);
    this.write(turns, turnsOf(hs)).catch(() => {}); // every later call fails as well, and says why
    return turns;
  }

  /** Each row's largest score and one over its sum of exponentials: (B, NH, T, 2). */
  attentionSavedSize({ B, T, NH }: AttentionShape): number {
    return 2 * B * NH * T;
  }

  readonly attentionForward: Operations["attentionForward"] = (out, saved, qkv, NH, cache, past = 0) =>
    attentionForward(this, NH, { out, saved, qkv, cache, past });

  readonly attentionBackward: Operations["attentionBackward"] = (dqkv, dout, qkv, saved, NH) =>
    attentionBackward(this, NH, { dqkv, dout, qkv, saved });

  readonly geluForward: Operations["geluForward"] = (out, inp, form) => {
    this.elementwise(`gelu ${form}`, (vectors) => geluSource(form, vectors), [out, inp]);
  };

  readonly geluBackward: Operations["geluBackward"] = (dinp, inp, dout, form) => {
    this.elementwise(`gelu ${form} backward`, (vectors) => geluBackwardSource(form, vectors), [dinp, inp, dout]);
  };

  readonly residualForward: Operations["residualForward"] = (out, a, b) => {
    this.elementwise("residual", residualSource, [out, a, b]);
  };

  readonly addScaled: Operations["addScaled"] = (out, a, alpha, b, beta) => {
    this.elementwise("scaled sum", addScaledSource, [out, a, b], [alpha, beta]);
  };

  headScratchSize(N: number, Vp: number): number {
    const most = Math.min(HEAD_LOGITS, Math.min(this.window, this.limits.buffer) / elementBytes.f32);
    return Math.min(N, Math.max(1, Math.floor(most / Vp))) * Vp;
  }

  readonly headLoss: Operations["headLoss"] = ({ losses, targets, scratch, V }, inp, wte) => {
    for (const { first, rows: x, count } of this.headBlocks(inp, wte, scratch)) {
      const logits = view(scratch, 0, [count, wte.shape[0]]);
      this.matmul.forward(logits, x, { weight: wte, bias: null });
      this.softmax(from(losses, first), logits, from(targets, first), { V, scale: null });
    }
  };

  readonly headBackward: Operations["headBackward"] = (head, dinp, dwte, inp, wte, scale) => {
    const { losses, targets, scratch, V } = head;
    const [, C] = wte.shape;
    for (const { first, rows: x, count } of this.headBlocks(inp, wte, scratch)) {
      const logits = view(scratch, 0, [count, wte.shape[0]]);
      this.matmul.forward(logits, x, { weight: wte, bias: null });
      this.softmax(from(losses, first), logits, from(targets, first), { V, scale });
      this.matmul.backwardInput(view(dinp, first * C, [count, C]), logits, wte);
      if (dwte)
        this.matmul.backwardWeight({ ...dwte, bias: null, accumulate: dwte.accumulate || first > 0 }, logits, x);
    }
  };

  /** losses of rows of logits (rows,Vp); with a scale, their gradient takes the logits' place. */
  private softmax(losses: Tensor, logits: Tensor, targets: Tensor, of: { V: number; scale: number | null }): void {
    const [rows, Vp] = logits.shape;
    const isBackward = of.scale !== null;
    this.run({
      key: isBackward ? "softmax backward" : "softmax",
      source: () => softmaxSource(isBackward),
      tensors: [losses, logits, targets],
      u32: [rows, of.V, Vp],
      f32: [of.scale ?? 0, Number.NaN],
      grid: gridOf(rows),
      flops: 10 * logits.size,
    });
  }

  readonly mean: Operations["mean"] = (out, inp) => sumOf(this, out, [inp], { squares: false, divisor: inp.size });

  readonly sumSquares: Operations["sumSquares"] = (out, tensors) =>
    sumOf(this, out, tensors, { squares: true, divisor: 1 });

  readonly adamw: Operations["adamw"] = (param, grad, m, v, options, copy) => {
    const { learningRate, beta1, beta2, eps, weightDecay, gradScale, step } = options;
    const decay = 1 - learningRate * weightDecay;
    const rootScale = 1 / Math.sqrt(1 - beta2 ** step);
    const stepSize = learningRate / (1 - beta1 ** step);
    const scalars = [gradScale, 1 - beta1, beta2, 1 - beta2, decay, rootScale, eps, stepSize, Number.NaN];
    if (!copy) this.elementwise("adamw", (vectors) => adamwSource(vectors, false), [param, grad, m, v], scalars);
    else this.elementwise("adamw, copy", (vectors) => adamwSource(vectors, true), [param, grad, m, v, copy], scalars);
  };

  /** A kernel on all elements of tensors of one size. */
  private elementwise(
    key: string,
    source: (vectors: boolean) => KernelSource,
    tensors: readonly Tensor[],
    f32: readonly number[] = [],
  ): void {
    const most = Math.floor(this.window / 16) * 4;
    for (const { first, count } of partsOf(tensors[0].size, most)) {
      const vectors = tensors.every((tensor) => tensor.dtype !== "i32" && inVectors(tensor, count));
      const n = vectors ? count / 4 : count;
      this.run({
        key: vectors ? `${key}, vectors` : key,
        source: () => source(vectors),
        tensors: tensors.map((tensor) => view(tensor, first, [count])),
        u32: [n],
        f32,
        grid: gridOf(n, THREADS),
        flops: 10 * count,
      });
    }
  }

  /** The rows of a tensor (N,C), in parts where a binding holds no more. */
  private rowsOf(tensor: Tensor) {
    const [N, C] = matrixOf(tensor);
    const most = Math.floor(this.window / (C * elementBytes[tensor.dtype]));
    return partsOf(N, most).map(({ first, count }) => ({ first, count, rows: view(tensor, first * C, [count, C]) }));
  }

  /** The rows of inp (N,C) in blocks of nearly equal size whose logits fit the scratch memory. */
  private headBlocks(inp: Tensor, wte: Tensor, scratch: Tensor) {
    const [N, C] = matrixOf(inp);
    const blocks = Math.ceil(N / Math.floor(scratch.size / wte.shape[0]));
    return partsOf(N, Math.ceil(N / blocks)).map(({ first, count }) => ({
      first,
      count,
      rows: view(inp, first * C, [count, C]),
    }));
  }
}

/** `tensor` from an element on. */
function from(tensor: Tensor, first: number): Tensor {
  return first === 0 ? tensor : view(tensor, first, [tensor.size - first]);
}
