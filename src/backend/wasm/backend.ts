import {
  type AttentionShape,
  type Backend,
  elementBytes,
  matrixOf,
  type Operations,
  type Tensor,
  weightTypes,
} from "../backend.ts";
import { BLOCK, GROUP } from "../int8.ts";
import { type Access, accessesOf, mapTensors } from "../operands.ts";
import { type OperationName, operationNames } from "../work.ts";
import { type DeviceParts, WasmDevice } from "./device.ts";
import { blasCommand, type Gemm, gemmCommands, type Matrix, PACKED_FLOATS } from "./gemm.ts";
import { type KernelName, SET_FOREIGN, SET_TILE } from "./kernels.ts";
import { elements, undivided, units } from "./parts.ts";
import { nameOf, type Tile, tiles, type Variant, type VariantName } from "./variants.ts";

/** Logits of one block of rows in the head: 64 MiB. */
const HEAD_LOGITS = 2 ** 24;

/**
 * Nanoseconds on one thread, of one element; for `dot`, of one multiply-add, for `byte`, of a byte of weights that are read once.
 * Estimates, by which work is divided.
 */
const NS = { read: 0.1, copy: 0.2, exp: 0.6, layernorm: 0.3, adamw: 0.5, dot: 0.03, byte: 0.04 };
/** Below so many multiply-adds calling a BLAS takes longer than it saves (docs/LOG.md). A constant: bits depend on it. */
const BLAS_WORK = 2 ** 15;
/** Operations that go over tensors outside of the WebAssembly memory piece by piece, by themselves. */
const streamed: readonly OperationName[] = ["fill", "sumSquares", "adamw"];

const reads = (tensor: Tensor): Access => ({ tensor, reads: true, writes: false });
const writes = (tensor: Tensor): Access => ({ tensor, reads: false, writes: true });
const updates = (tensor: Tensor): Access => ({ tensor, reads: true, writes: true });

/** Operations as commands: tensors become addresses, options become the numbers that kernels take. */
export class WasmBackend extends WasmDevice implements Backend {
  readonly name = "wasm";
  readonly precisions = ["fp32"] as const;
  readonly weightTypes = weightTypes;
  private variant: Variant;
  /** Multiply-adds from which on a matmul is the BLAS's. */
  private blasFrom = Infinity;

  constructor(variant: Variant, parts: DeviceParts) {
    super(parts);
    this.variant = variant;
    for (const name of operationNames) if (!streamed.includes(name)) this.stage(name);
    this.useTile(variant.tile);
    this.useBlas(parts.blas !== undefined);
  }

  /** From now on, the operation finds its operands in the WebAssembly memory. */
  private stage(name: OperationName): void {
    const operation: (...args: never[]) => void = this[name];
    const staged = (...args: never[]) =>
      this.withOperands(
        () => accessesOf({ operation: name, args }),
        (inside) => operation(...(inside ? mapTensors(args, inside) : args)),
      );
    Object.assign(this, { [name]: staged });
  }

  /** The kernel variant, as `--kernel` names it. */
  get kernel(): VariantName {
    return nameOf(this.variant);
  }

  get device(): string {
    return this.threads === 1 ? "1 thread" : `${this.threads} threads`;
  }

  get description(): string {
    return ["wasm", this.kernel, this.blas?.name, this.device].filter((part) => part !== undefined).join(", ");
  }

  /** Selects the GEMM tile of the commands that follow: another speed, the same bits. */
  useTile(tile: Tile): void {
    this.variant = { ...this.variant, tile };
    this.set(SET_TILE, tiles.indexOf(tile));
  }

  /** Leaves the matmuls that follow to the BLAS, those that are large enough for it, or to the kernels. */
  useBlas(on: boolean, from = BLAS_WORK): void {
    this.blasFrom = on ? from : Infinity;
    this.set(SET_FOREIGN, this.blasFrom);
  }

  readonly embeddingForward: Operations["embeddingForward"] = (out, tokens, wte, wpe, past) => {
    const [B, T] = tokens.shape;
    const [, C] = wte.shape;
    const kernel = kernelFor("embeddingForward", wte);
    const work = units(B * T, C * NS.copy);
    this.run(kernel, work, this.at(out), this.at(tokens), this.addressOf(wte), this.at(wpe), B, T, C, past);
  };

  readonly embeddingBackward: Operations["embeddingBackward"] = (dwte, dwpe, dout, tokens) => {
    const [B, T] = tokens.shape;
    const [, C] = dwte.shape;
    const work = elements(C, B * T * NS.copy);
    this.run("embeddingBackward", work, this.at(dwte), this.at(dwpe), this.at(dout), this.at(tokens), B, T, C);
  };

  readonly layernormForward: Operations["layernormForward"] = (a, inp, w, epsilon) => {
    const addresses = [a.out, a.mean, a.rstd, inp, w.weight, w.bias].map((t) => this.at(t));
    const [N, C] = matrixOf(inp);
    this.run("layernormForward", units(N, C * NS.layernorm), ...addresses, N, C, epsilon);
  };

  readonly layernormBackward: Operations["layernormBackward"] = (dinp, dw, dout, inp, w, a) => {
    const addresses = [dinp, dw.weight, dw.bias, dout, inp, w.weight, a.mean, a.rstd].map((t) => this.at(t));
    const [N, C] = matrixOf(inp);
    this.run("layernormBackward", units(N, 2 * C * NS.layernorm), ...addresses, N, C, Number(dw.accumulate));
  };

  readonly matmulForward: Operations["matmulForward"] = (out, inp, { weight, bias }) => {
    this.multiply(this.at(out), this.at(inp), weight, this.at(bias), matrixOf(inp)[0]);
  };

  /** Matmul of N rows with a weight (OC,C) of any type. Few rows read bfloat16 and int8 in place; many amortize widening it. */
  private multiply(out: number, inp: number, weight: Tensor, bias: number, N: number): void {
    const [OC, C] = weight.shape;
    if (N <= this.fewRows) {
      const work = units(OC, C * (elementBytes[weight.dtype] * NS.byte + (N - 1) * NS.dot));
      const kernel = kernelFor("matmulFewRows", weight);
      const address = this.addressOf(weight);
      if (weight.dtype === "int8") {
        const lanes = lanesOf(C);
        this.run(kernel, work, out, this.quantized(inp, N, C, lanes), address, bias, N, C, OC, lanes.length);
      } else this.run(kernel, work, out, inp, address, bias, N, C, OC);
      return;
    }
    const address = this.widened(weight);
    this.gemm({ M: N, N: OC, K: C, a: rows(inp, C), b: transposed(address, C), c: out, bias, accumulate: false });
  }

  /** Address of rows (N,C) as int8 matmuls read them: in 16 bits with a scale for each block, once for each of `lanes`. */
  private quantized(inp: number, N: number, C: number, lanes: readonly number[]): number {
    const bytes = N * this.inputRowBytes(C / BLOCK);
    const to = this.ensureScratch("quantized", lanes.length * bytes);
    for (const [i, lane] of lanes.entries())
      this.run("quantizeRows", units(N, C * NS.copy), to + i * bytes, inp, N, C, lane);
    return to;
  }

  /** Address of a matrix in float32: its own, or of a widened copy. */
  private widened(matrix: Tensor): number {
    const address = this.addressOf(matrix);
    if (matrix.dtype === "f32") return address;
    const to = this.ensureScratch("widened", 4 * matrix.size);
    const kernel = matrix.dtype === "int8" ? "widenInt8" : "widenBf16";
    this.run(kernel, elements(matrix.size, NS.copy), to, address, matrix.size);
    return to;
  }

  private gemm(gemm: Gemm): void {
    if (gemm.M * gemm.N * gemm.K >= this.blasFrom) {
      const { kernel, work, args } = blasCommand(gemm, this.threads);
      this.run(kernel, work, ...args);
      return;
    }
    const packed = this.ensureScratch("packed", 4 * PACKED_FLOATS);
    for (const { kernel, work, args } of gemmCommands(gemm, packed)) this.run(kernel, work, ...args);
  }

  readonly matmulBackwardInput: Operations["matmulBackwardInput"] = (dinp, dout, { weight }) => {
    this.inputGradient(this.at(dinp), this.at(dout), weight, matrixOf(dout)[0]);
  };

  /** dinp (N,C) = dout (N,OC) weight (OC,C), of any type */
  private inputGradient(dinp: number, dout: number, weight: Tensor, N: number): void {
    const [OC, C] = weight.shape;
    const [a, b] = [rows(dout, OC), rows(this.widened(weight), C)];
    this.gemm({ M: N, N: C, K: OC, a, b, c: dinp, bias: 0, accumulate: false });
  }

  readonly matmulBackwardWeight: Operations["matmulBackwardWeight"] = (dw, dout, inp) => {
    const [N, OC] = matrixOf(dout);
    if (dw.bias) {
      const work = elements(OC, N * NS.read);
      this.run("sumRows", work, this.at(dw.bias), this.at(dout), N, OC, Number(dw.accumulate));
    }
    this.weightGradient(dw.weight, this.at(dout), this.at(inp), N, dw.accumulate);
  };

  /** dweight (OC,C) = dout (N,OC)ᵀ inp (N,C), or += */
  private weightGradient(dweight: Tensor, dout: number, inp: number, N: number, accumulate: boolean): void {
    const [OC, C] = dweight.shape;
    const [a, b] = [transposed(dout, OC), rows(inp, C)];
    this.gemm({ M: OC, N: C, K: N, a, b, c: this.at(dweight), bias: 0, accumulate });
  }

  readonly rotaryForward: Operations["rotaryForward"] = (qkv, NH, past) => {
    const [B, T, width] = qkv.shape;
    this.run("rotary", units(T, B * width * NS.exp), this.at(qkv), B, T, width / 3, NH, past, 0);
  };

  readonly rotaryBackward: Operations["rotaryBackward"] = (dqkv, NH) => {
    const [B, T, width] = dqkv.shape;
    this.run("rotary", units(T, B * width * NS.exp), this.at(dqkv), B, T, width / 3, NH, 0, 1);
  };

  /** (B, NH, T, 2): the largest score of each row, and one over its sum of exponentials. */
  attentionSavedSize({ B, T, NH }: AttentionShape): number {
    return 2 * B * NH * T;
  }

  readonly attentionForward: Operations["attentionForward"] = (out, saved, qkv, NH, cache, past = 0) => {
    const [B, T, width] = qkv.shape;
    const S = cache?.keys.shape[1] ?? 0;
    this.ensureWorkerScratch(Math.max(T, S), width / 3 / NH);
    const addresses = [out, saved, qkv, cache?.keys ?? null, cache?.values ?? null].map((t) => this.at(t));
    const work = units(B * NH, T * (past + T) * (NS.exp + (width / 3 / NH) * NS.dot));
    this.run("attentionForward", work, ...addresses, B, T, width / 3, NH, past, S);
  };

  readonly attentionBackward: Operations["attentionBackward"] = (dqkv, dout, qkv, saved, NH) => {
    const [B, T, width] = qkv.shape;
    this.ensureWorkerScratch(T, width / 3 / NH);
    const addresses = [dqkv, dout, qkv, saved].map((t) => this.at(t));
    const work = units(B * NH, 2 * T * T * (NS.exp + (width / 3 / NH) * NS.dot));
    this.run("attentionBackward", work, ...addresses, B, T, width / 3, NH);
  };

  readonly geluForward: Operations["geluForward"] = (out, inp, form) => {
    const kernel = form === "erf" ? "geluErfForward" : "geluForward";
    this.run(kernel, elements(out.size, NS.exp), this.at(out), this.at(inp), out.size);
  };

  readonly geluBackward: Operations["geluBackward"] = (dinp, inp, dout, form) => {
    const kernel = form === "erf" ? "geluErfBackward" : "geluBackward";
    this.run(kernel, elements(dinp.size, NS.exp), this.at(dinp), this.at(inp), this.at(dout), dinp.size);
  };

  readonly residualForward: Operations["residualForward"] = (out, a, b) => {
    this.run("residualForward", elements(out.size, NS.copy), this.at(out), this.at(a), this.at(b), out.size);
  };

  readonly addScaled: Operations["addScaled"] = (out, a, alpha, b, beta) => {
    const addresses = [out, a, b].map((tensor) => this.at(tensor));
    this.run("addScaled", elements(out.size, NS.copy), ...addresses, out.size, alpha, beta);
  };

  headScratchSize(N: number, Vp: number): number {
    return Math.min(N, Math.max(1, Math.floor(HEAD_LOGITS / Vp))) * Vp;
  }

  readonly headLoss: Operations["headLoss"] = ({ losses, targets, scratch, V }, inp, wte) => {
    const [N, C] = matrixOf(inp);
    const [Vp] = wte.shape;
    const logits = this.at(scratch);
    for (const { first, rows } of headBlocks(N, scratch.size, Vp)) {
      this.multiply(logits, this.at(inp, first * C), wte, 0, rows);
      const work = units(rows, V * NS.exp);
      this.run("softmaxLoss", work, this.at(losses, first), logits, this.at(targets, first), rows, V, Vp, 0, 0);
    }
  };

  readonly headBackward: Operations["headBackward"] = (head, dinp, dwte, inp, wte, scale) => {
    const { losses, targets, scratch, V } = head;
    const [N, C] = matrixOf(inp);
    const [Vp] = wte.shape;
    const logits = this.at(scratch); // softmaxLoss overwrites them with their gradient
    for (const { first, rows } of headBlocks(N, scratch.size, Vp)) {
      const x = this.at(inp, first * C);
      this.multiply(logits, x, wte, 0, rows);
      const work = units(rows, V * NS.exp);
      this.run("softmaxLoss", work, this.at(losses, first), logits, this.at(targets, first), rows, V, Vp, scale, 1);
      this.inputGradient(this.at(dinp, first * C), logits, wte, rows);
      if (dwte) this.weightGradient(dwte.weight, logits, x, rows, dwte.accumulate || first > 0);
    }
  };

  readonly mean: Operations["mean"] = (out, inp) => {
    const chunks = this.chunksOf(inp);
    const partials = this.ensureScratch("partials", 8 * chunks);
    this.run("sumChunks", units(chunks, this.chunk * NS.read), partials, this.at(inp), inp.size);
    this.run("combine", undivided, this.at(out), partials, chunks, inp.size);
  };

  readonly sumSquares: Operations["sumSquares"] = (out, tensors) => {
    const chunks = tensors.reduce((sum, tensor) => sum + this.chunksOf(tensor), 0);
    const partials = this.ensureScratch("partials", 8 * chunks);
    let at = partials;
    for (const tensor of tensors) {
      this.inPieces([reads(tensor)], ([piece]) => {
        this.run("sumSquares", units(this.chunksOf(piece), this.chunk * NS.read), at, this.at(piece), piece.size);
        at += 8 * this.chunksOf(piece);
      });
    }
    this.inPieces([writes(out)], ([result]) => this.run("combine", undivided, this.at(result), partials, chunks, 1));
  };

  readonly adamw: Operations["adamw"] = (param, grad, m, v, options, copy = null) => {
    const { learningRate, beta1, beta2, eps, weightDecay, gradScale, step } = options;
    const decay = 1 - learningRate * weightDecay;
    const rootScale = 1 / Math.sqrt(1 - beta2 ** step);
    const stepSize = learningRate / (1 - beta1 ** step);
    this.at(copy); // bfloat16, which is refused
    const scalars = [gradScale, 1 - beta1, beta2, 1 - beta2, decay, rootScale, eps, stepSize];
    this.inPieces([updates(param), reads(grad), updates(m), updates(v)], (pieces) => {
      const addresses = pieces.map((piece) => this.at(piece));
      const [{ size }] = pieces;
      this.run("adamw", elements(size, NS.adamw), ...addresses, size, ...scalars);
    });
  };
}

const suffixes = { f32: "", bf16: "Bf16", int8: "Int8" } as const;

/** The kernel of this name for the type of `weight`. */
function kernelFor(name: "embeddingForward" | "matmulFewRows", { dtype }: Tensor): KernelName {
  return `${name}${dtype === "i32" ? "" : suffixes[dtype]}`;
}

/** The places in a group of int8 at which rows of C columns begin, in the order of the rows. */
function lanesOf(C: number): number[] {
  const first = C % GROUP;
  const lanes = [0];
  for (let at = first; at !== 0; at = (at + first) % GROUP) lanes.push(at / BLOCK);
  return lanes;
}

/** A matrix of rows of `ld` floats. */
function rows(address: number, ld: number): Matrix {
  return { address, ld, transposed: false };
}

/** The transpose of a matrix of rows of `ld` floats. */
function transposed(address: number, ld: number): Matrix {
  return { address, ld, transposed: true };
}

/** N rows in blocks of nearly equal size whose logits fit the scratch memory. */
function headBlocks(N: number, scratchSize: number, Vp: number): { first: number; rows: number }[] {
  const blocks = Math.ceil(N / Math.floor(scratchSize / Vp));
  const rows = Math.ceil(N / blocks);
  const starts = Array.from({ length: blocks }, (_, i) => i * rows);
  return starts.filter((first) => first < N).map((first) => ({ first, rows: Math.min(rows, N - first) }));
}
