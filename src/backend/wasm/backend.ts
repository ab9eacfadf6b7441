import type { AdamWOptions, AttentionShape, Backend, GeluForm, KVCache, Tensor } from "../backend.ts";
import { type DeviceParts, WasmDevice } from "./device.ts";
import { SET_TILE } from "./kernels.ts";
import { nameOf, type Tile, tiles, type Variant, type VariantName } from "./variants.ts";

/** The head works on as many rows at a time as give this many logits (64 MiB). */
const HEAD_LOGITS = 2 ** 24;

/** Translates operations into commands: tensors into addresses, options into the numbers that the kernels take. */
export class WasmBackend extends WasmDevice implements Backend {
  readonly name = "wasm";
  private variant: Variant;

  constructor(variant: Variant, parts: DeviceParts) {
    super(parts);
    this.variant = variant;
    this.useTile(variant.tile);
  }

  /** The kernels that compute, as `--kernel` names them. */
  get kernel(): VariantName {
    return nameOf(this.variant);
  }

  get description(): string {
    return `wasm, ${this.kernel}, ${this.threads === 1 ? "1 thread" : `${this.threads} threads`}`;
  }

  /** Computes products with another tile from now on: another speed, the same bits. */
  useTile(tile: Tile): void {
    this.variant = { ...this.variant, tile };
    this.command(SET_TILE, tiles.indexOf(tile));
  }

  embeddingForward(
    out: Tensor,
    tokens: Tensor,
    wte: Tensor,
    wpe: Tensor,
    B: number,
    T: number,
    C: number,
    past: number,
  ): void {
    const kernel = wte.dtype === "bf16" ? "embeddingForwardBf16" : "embeddingForward";
    this.run(kernel, this.at(out), this.at(tokens), this.addressOf(wte), this.at(wpe), B, T, C, past);
  }

  embeddingBackward(dwte: Tensor, dwpe: Tensor, dout: Tensor, tokens: Tensor, B: number, T: number, C: number): void {
    this.run("embeddingBackward", this.at(dwte), this.at(dwpe), this.at(dout), this.at(tokens), B, T, C);
  }

  layernormForward(
    out: Tensor,
    mean: Tensor,
    rstd: Tensor,
    inp: Tensor,
    weight: Tensor,
    bias: Tensor,
    N: number,
    C: number,
    epsilon: number,
  ): void {
    const addresses = [out, mean, rstd, inp, weight, bias].map((t) => this.at(t));
    this.run("layernormForward", ...addresses, N, C, epsilon);
  }

  layernormBackward(
    dinp: Tensor,
    dweight: Tensor,
    dbias: Tensor,
    dout: Tensor,
    inp: Tensor,
    weight: Tensor,
    mean: Tensor,
    rstd: Tensor,
    N: number,
    C: number,
    accumulate: boolean,
  ): void {
    const addresses = [dinp, dweight, dbias, dout, inp, weight, mean, rstd].map((t) => this.at(t));
    this.run("layernormBackward", ...addresses, N, C, Number(accumulate));
  }

  matmulForward(out: Tensor, inp: Tensor, weight: Tensor, bias: Tensor | null, N: number, C: number, OC: number): void {
    this.multiply(this.at(out), this.at(inp), weight, this.at(bias), N, C, OC);
  }

  /** A product with weights of either type. Few rows read bfloat16 as it is, many are worth widening it first. */
  private multiply(out: number, inp: number, weight: Tensor, bias: number, N: number, C: number, OC: number): void {
    const address = this.addressOf(weight);
    if (weight.dtype !== "bf16") this.run("matmulForward", out, inp, address, bias, N, C, OC);
    else if (N <= this.fewRows) this.run("matmulForwardBf16", out, inp, address, bias, N, C, OC);
    else {
      const widened = this.ensureRoom("widened", 4 * C * OC);
      this.run("widenBf16", widened, address, C * OC);
      this.run("matmulForward", out, inp, widened, bias, N, C, OC);
    }
  }

  matmulBackwardInput(dinp: Tensor, dout: Tensor, weight: Tensor, N: number, C: number, OC: number): void {
    this.run("matmulBackwardInput", this.at(dinp), this.at(dout), this.at(weight), N, C, OC);
  }

  matmulBackwardWeight(
    dweight: Tensor,
    dbias: Tensor | null,
    dout: Tensor,
    inp: Tensor,
    N: number,
    C: number,
    OC: number,
    accumulate: boolean,
  ): void {
    const addresses = [dweight, dbias, dout, inp].map((t) => this.at(t));
    this.run("matmulBackwardWeight", ...addresses, N, C, OC, Number(accumulate));
  }

  /** Each row's largest score and one over its sum of exponentials: (B, NH, T, 2). */
  attentionSavedSize({ B, T, NH }: AttentionShape): number {
    return 2 * B * NH * T;
  }

  attentionForward(
    out: Tensor,
    saved: Tensor | null,
    qkv: Tensor,
    { B, T, C, NH }: AttentionShape,
    cache?: KVCache,
    past = 0,
  ): void {
    const S = cache?.keys.shape[1] ?? 0;
    this.ensureScratch(Math.max(T, S));
    const addresses = [out, saved, qkv, cache?.keys ?? null, cache?.values ?? null].map((t) => this.at(t));
    this.run("attentionForward", ...addresses, B, T, C, NH, past, S);
  }

  attentionBackward(dqkv: Tensor, dout: Tensor, qkv: Tensor, saved: Tensor, { B, T, C, NH }: AttentionShape): void {
    this.ensureScratch(T);
    const addresses = [dqkv, dout, qkv, saved].map((t) => this.at(t));
    this.run("attentionBackward", ...addresses, B, T, C, NH);
  }

  geluForward(out: Tensor, inp: Tensor, form: GeluForm): void {
    this.run(form === "erf" ? "geluErfForward" : "geluForward", this.at(out), this.at(inp), out.size);
  }

  geluBackward(dinp: Tensor, inp: Tensor, dout: Tensor, form: GeluForm): void {
    const kernel = form === "erf" ? "geluErfBackward" : "geluBackward";
    this.run(kernel, this.at(dinp), this.at(inp), this.at(dout), dinp.size);
  }

  residualForward(out: Tensor, a: Tensor, b: Tensor): void {
    this.run("residualForward", this.at(out), this.at(a), this.at(b), out.size);
  }

  headScratchSize(N: number, Vp: number): number {
    return Math.min(N, Math.max(1, Math.floor(HEAD_LOGITS / Vp))) * Vp;
  }

  headLoss(
    losses: Tensor,
    scratch: Tensor,
    inp: Tensor,
    wte: Tensor,
    targets: Tensor,
    N: number,
    C: number,
    V: number,
    Vp: number,
  ): void {
    const logits = this.at(scratch);
    for (const { first, rows } of headBlocks(N, scratch.size, Vp)) {
      this.multiply(logits, this.at(inp, first * C), wte, 0, rows, C, Vp);
      this.run("softmaxLoss", this.at(losses, first), logits, this.at(targets, first), rows, V, Vp, 0, 0);
    }
  }

  headBackward(
    losses: Tensor,
    dinp: Tensor,
    dwte: Tensor,
    scratch: Tensor,
    inp: Tensor,
    wte: Tensor,
    targets: Tensor,
    N: number,
    C: number,
    V: number,
    Vp: number,
    scale: number,
    accumulate: boolean,
  ): void {
    const logits = this.at(scratch); // softmaxLoss leaves their gradient in their place
    const weight = this.at(wte);
    for (const { first, rows } of headBlocks(N, scratch.size, Vp)) {
      const x = this.at(inp, first * C);
      this.run("matmulForward", logits, x, weight, 0, rows, C, Vp);
      this.run("softmaxLoss", this.at(losses, first), logits, this.at(targets, first), rows, V, Vp, scale, 1);
      this.run("matmulBackwardInput", this.at(dinp, first * C), logits, weight, rows, C, Vp);
      this.run("matmulBackwardWeight", this.at(dwte), 0, logits, x, rows, C, Vp, Number(accumulate || first > 0));
    }
  }

  mean(out: Tensor, inp: Tensor): void {
    const chunks = this.chunksOf(inp);
    const partials = this.ensureRoom("partials", 8 * chunks);
    this.run("sumChunks", partials, this.at(inp), inp.size);
    this.run("combine", this.at(out), partials, chunks, inp.size);
  }

  sumSquares(out: Tensor, tensors: readonly Tensor[]): void {
    const chunks = tensors.reduce((sum, tensor) => sum + this.chunksOf(tensor), 0);
    const partials = this.ensureRoom("partials", 8 * chunks);
    let at = partials;
    for (const tensor of tensors) {
      this.run("sumSquares", at, this.at(tensor), tensor.size);
      at += 8 * this.chunksOf(tensor);
    }
    this.run("combine", this.at(out), partials, chunks, 1);
  }

  adamw(param: Tensor, grad: Tensor, m: Tensor, v: Tensor, options: AdamWOptions): void {
    const { learningRate, beta1, beta2, eps, weightDecay, gradScale, step } = options;
    const decay = 1 - learningRate * weightDecay;
    const rootScale = 1 / Math.sqrt(1 - beta2 ** step);
    const stepSize = learningRate / (1 - beta1 ** step);
    const addresses = [param, grad, m, v].map((t) => this.at(t));
    const scalars = [gradScale, 1 - beta1, beta2, 1 - beta2, decay, rootScale, eps, stepSize];
    this.run("adamw", ...addresses, param.size, ...scalars);
  }
}

/** Cuts N rows into blocks of nearly equal size whose logits fit the scratch memory. */
function headBlocks(N: number, scratchSize: number, Vp: number): { first: number; rows: number }[] {
  const blocks = Math.ceil(N / Math.floor(scratchSize / Vp));
  const rows = Math.ceil(N / blocks);
  const starts = Array.from({ length: blocks }, (_, i) => i * rows);
  return starts.filter((first) => first < N).map((first) => ({ first, rows: Math.min(rows, N - first) }));
}
