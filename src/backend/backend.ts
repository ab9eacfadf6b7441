/**
 * The contract between the model and whatever computes it: tensor storage and about twenty layer operations, each with
 * its forward and its backward. `src/model/gpt2.ts` is written once against it; a backend implements it.
 *
 * A backend is a device. Operations are enqueued in order and return at once; `read`, `write` and `sync` wait for what
 * was enqueued before them. Sizes come from the operands' shapes, which are the caller's promise: operations do not check
 * that they agree. Where rows (N,C) are asked for, all dimensions but the last count as rows: (B,T,C) is (B*T,C).
 *
 * Operands. Each begins at a multiple of the backend's `limits.alignment` bytes in its buffer, but for those of which an
 * operation says that they may begin at any element; `read` and `write` take any view. What an operation writes neither
 * overlaps another of its operands nor lies in the same buffer with one, except where the operation says what may be done
 * in place: a GPU cannot bind one buffer for reading and for writing.
 *
 * Names: B batch, T time, C channels, NH heads, hs = C / NH, V vocabulary, Vp its padded size, N rows (B * T), OC
 * output channels. All matrices are row-major; a weight is (out, in) as in PyTorch and llm.c.
 *
 * Sums may be taken in any order and precision that keeps them as exact as an ordinary sum of floats; `mean` and
 * `sumSquares`, which sum over everything, keep to `reductionTolerance`.
 */
import { sizeOf } from "./shape.ts";

export const elementBytes: Readonly<Record<DType, number>> = { f32: 4, i32: 4, bf16: 2, int8: 34 / 32 };

/** Types in which matrices that are only read can be stored; f32 is every backend's. */
export const weightTypes = ["f32", "bf16", "int8"] as const;
export type WeightType = (typeof weightTypes)[number];

export type DType = "i32" | WeightType;

/**
 * Storage of a training step's matrices and activations: f32, or bf16 beside f32 for sums, the residual stream and the weights
 * that AdamW updates (mixed precision).
 */
export const precisions = ["fp32", "bf16"] as const;
export type Precision = (typeof precisions)[number];

/** The type of tensors in which a precision stores matrices and activations. */
export const storageOf = { fp32: "f32", bf16: "bf16" } as const satisfies Record<Precision, DType>;

/** Largest error of `mean` and `sumSquares`, relative to the sum of the magnitudes of their terms: two roundings of f32. */
export const reductionTolerance = 2 ** -23;

/**
 * Use of a tensor, from the most frequent to the rarest: activations by every operation; weights and gradients layer by layer
 * in each batch; moments of AdamW once an update. A backend with two kinds of memory puts the rarest into the slower one.
 */
export type Usage = "activations" | "weights" | "gradients" | "moments";

/** Memory owned by a backend, opaque to others. */
export interface DeviceBuffer {
  readonly bytes: number;
}

/**
 * A view of a device buffer: `size` elements from element `offset` on. Writing rounds to bf16 (to nearest, ties to even),
 * reading widens; all sums are in f32. Every backend takes it for weights that are only read: the `weight` of matmulForward
 * and matmulBackwardInput, and the `wte` of embeddingForward, headLoss and headBackward. One with bf16 among its `precisions`
 * takes it for all operands that operands.ts lists. int8, on a backend with it among its `weightTypes`, is for the same
 * operands: blocks of 32 elements with a scale (int8.ts), which are written and read whole, and of which rows consist; an
 * operand begins at a multiple of eight. Sums with it are of inputs rounded to 16 bits a block, or more exact.
 */
export interface Tensor {
  readonly buffer: DeviceBuffer;
  readonly dtype: DType;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly size: number;
}

/** A view of `shape` from element `start` of `tensor` on, without a copy. */
export function view(tensor: Tensor, start: number, shape: readonly number[]): Tensor {
  const size = sizeOf(shape);
  if (start < 0 || start + size > tensor.size)
    throw new RangeError(`view of ${size} elements at ${start} does not fit a tensor of ${tensor.size}`);
  return { buffer: tensor.buffer, dtype: tensor.dtype, offset: tensor.offset + start, shape, size };
}

/** `tensor` as a matrix: the last dimension is the columns, all others together are the rows. */
export function matrixOf({ shape, size }: Pick<Tensor, "shape" | "size">): readonly [rows: number, columns: number] {
  const columns = shape[shape.length - 1];
  return [size / columns, columns];
}

export interface AttentionShape {
  readonly B: number;
  readonly T: number;
  readonly C: number;
  readonly NH: number;
}

/** Keys and values of one layer for the positions seen so far: both (B, S, C), where S is the longest sequence. */
export interface KVCache<T = Tensor> {
  readonly keys: T;
  readonly values: T;
}

/** Parameters of a matmul, weight (OC,C) and bias (OC), or of a norm, weight (C) and bias (C). The bias may be missing. */
export interface Linear<T = Tensor> {
  readonly weight: T;
  readonly bias: T | null;
}

/** Gradients of parameters: overwritten, or added to if `accumulate`. */
export type Gradient<P> = P & { readonly accumulate: boolean };

/**
 * Result of a layernorm, out (N,C), and what its backward needs: mean (N) and rstd (N), one over the standard deviation.
 * RMS norm has no mean.
 */
export interface Normalized<T = Tensor> {
  readonly out: T;
  readonly mean: T | null;
  readonly rstd: T;
}

/** Softmax and cross-entropy over the first V columns of the head's logits. */
export interface HeadLoss<T = Tensor> {
  /** (N) result: -log of each target's probability; 0 of an ignored one. */
  readonly losses: T;
  /** (N) int32. A negative one is ignored: its loss and gradient are 0, as with PyTorch's ignore_index. */
  readonly targets: T;
  /** Scratch memory of `headScratchSize` elements: logits are never held for more rows than it takes. */
  readonly scratch: T;
  readonly V: number;
}

/** The two forms of GELU: GPT-2's approximation by tanh, and the exact one by the error function. */
export type GeluForm = "tanh" | "erf";

export interface AdamWOptions {
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly weightDecay: number;
  /** Multiplies the gradient before it is used: gradient clipping. */
  readonly gradScale: number;
  /** 1 for the first update: the exponent of the bias correction. */
  readonly step: number;
}

/** The layer operations, on tensors of type `T`: a device's, or the reference backend's arrays. */
export interface Operations<T = Tensor> {
  fill(out: T, value: number): void;

  /** out (B,T,C) = wte[tokens (B,T)] + wpe[past + t], or without wpe. Tokens must lie in wte: the caller checks. */
  embeddingForward(out: T, tokens: T, wte: T, wpe: T | null, past: number): void;
  /** dwte[tokens (B,T)] += dout; dwpe[t] += sum of dout over the batch, if there is one. Always adds. */
  embeddingBackward(dwte: T, dwpe: T | null, dout: T, tokens: T): void;

  /**
   * a.out (N,C) = (inp - mean) * rstd * weight + bias; keeps mean and rstd for the backward. Where a.mean and w.bias are null,
   * RMS norm: mean and bias are 0 then.
   */
  layernormForward(a: Normalized<T>, inp: T, w: Linear<T>, epsilon: number): void;
  /** dinp += …, since the residual stream's gradient is already there. `a` is what the forward gave. */
  layernormBackward(dinp: T, dw: Gradient<Linear<T>>, dout: T, inp: T, w: Linear<T>, a: Normalized<T>): void;

  /** out (N,OC) = inp (N,C) weight (OC,C)ᵀ + bias (OC). out and inp may begin at any element: logits of some rows. */
  matmulForward(out: T, inp: T, w: Linear<T>): void;
  /** dinp (N,C) = dout (N,OC) weight (OC,C). */
  matmulBackwardInput(dinp: T, dout: T, w: Linear<T>): void;
  /** dw.weight (OC,C) = doutᵀ inp, dw.bias (OC) = sum of dout over its rows. */
  matmulBackwardWeight(dw: Gradient<Linear<T>>, dout: T, inp: T): void;

  /**
   * Rotary positions, in place: the queries and keys of NH heads in qkv (B,T,3C) turn. Channels i and i + hs/2 of a head are a
   * point, which turns by (past + t) / 10000^(2i/hs), a position up to 2^20. hs is even.
   */
  rotaryForward(qkv: T, NH: number, past: number): void;
  /** The gradients of queries and keys in dqkv (B,T,3C) turn back, in place. */
  rotaryBackward(dqkv: T, NH: number): void;

  /**
   * Causal self-attention of NH heads: out (B,T,C) from qkv (B,T,3C). `saved` is null when no backward follows.
   * With a cache, the T new keys and values are put there at positions past … past+T-1, and query t sees cache
   * positions 0 … past+t.
   */
  attentionForward(out: T, saved: T | null, qkv: T, NH: number, cache?: KVCache<T>, past?: number): void;
  /** dqkv (B,T,3C) is overwritten; `saved` is what the forward gave. */
  attentionBackward(dqkv: T, dout: T, qkv: T, saved: T, NH: number): void;

  /**
   * Over all elements: out = 0.5 inp (1 + tanh(sqrt(2/pi) (inp + 0.044715 inp³))), or 0.5 inp (1 + erf(inp / sqrt 2)).
   * In place: out may be inp.
   */
  geluForward(out: T, inp: T, form: GeluForm): void;
  /** dinp = dout * gelu'(inp). In place: dinp may be dout. */
  geluBackward(dinp: T, inp: T, dout: T, form: GeluForm): void;

  /** out = a + b. In place: out may be either. Backward: the gradient goes to both unchanged, so there is none. */
  residualForward(out: T, a: T, b: T): void;
  /** out = alpha a + beta b, of f32. In place: out may be either. */
  addScaled(out: T, a: T, alpha: number, b: T, beta: number): void;

  /**
   * The head with its loss: head.losses = -log softmax(inp (N,C) wte (Vp,C)ᵀ)[head.targets]. Losses, targets and inp may
   * begin at any element: those of some rows.
   */
  headLoss(head: HeadLoss<T>, inp: T, wte: T): void;
  /**
   * The same, and its gradient: dinp (N,C) is overwritten, and that of wte where there is a dwte. `scale` is the weight of one
   * row's loss: 1/N for a mean.
   */
  headBackward(
    head: HeadLoss<T>,
    dinp: T,
    dwte: Gradient<{ readonly weight: T }> | null,
    inp: T,
    wte: T,
    scale: number,
  ): void;

  /** out (1), at any element, = mean of inp, within `reductionTolerance`. */
  mean(out: T, inp: T): void;
  /** out (1), at any element, = sum of the squares of all elements of all tensors, within `reductionTolerance`. */
  sumSquares(out: T, tensors: readonly T[]): void;
  /**
   * One AdamW update of `param`, as torch.optim.AdamW does it (decoupled decay, bias-corrected moments). With `copy`, a bf16
   * tensor of the same size, the result goes there as well, rounded.
   */
  adamw(param: T, grad: T, m: T, v: T, options: AdamWOptions, copy?: T | null): void;
}

/** Memory limits of a backend, in bytes. */
export interface BackendLimits {
  /** Largest sum of all tensors. */
  readonly total: number;
  /** Largest sum of tensors that operations use in place. Others are copied for each operation. Undefined: all. */
  readonly inPlace?: number;
  /** Largest single buffer. */
  readonly buffer: number;
  /** Largest part of a buffer that an operation takes at once, where that is less. Operands are cut to it by rows. */
  readonly binding?: number;
  /** What the device calls these limits, if it does. */
  readonly names?: Readonly<Record<"buffer" | "binding", string>>;
  /** Alignment of operands within their buffer. */
  readonly alignment: number;
}

/** Guarantees about the bits of results. */
export interface BackendPromises {
  /** The same bits at any thread count, and on every machine that has the same `fma`. */
  readonly sameBits: boolean;
  /** True for fused multiply-add, which rounds once instead of twice and so changes the last bits. */
  readonly fma: boolean;
  /** True if matmuls round their operands to float16: 11 bits, up to 65,504. Sums are of float32 as ever. */
  readonly halfMatmuls?: boolean;
}

/** A micro-kernel that measures a limit of the device. */
export interface Probe {
  readonly name: string;
  /**
   * Multiply-adds without memory access; three patterns of memory access without arithmetic; on devices where they cost
   * something, a dispatch without work, and a submit of one.
   */
  readonly limit: "fma" | "copy" | "triad" | "read" | "dispatch" | "submit";
  /** Of one run: floating-point operations, bytes read and written, or 1. */
  readonly work: number;
  /** Enqueues one run. */
  run(): void;
}

/** Micro-kernels with their operands. */
export interface Probes {
  readonly all: readonly Probe[];
  free(): Promise<void>;
}

/** A device with a queue of its own, such as a GPU: its adapter, and what a benchmark measures there. */
export interface QueueDevice {
  readonly adapter: {
    readonly label: string;
    /** Name and version, where known. */
    readonly driver: string;
    /** Software on the CPU. */
    readonly fallback: boolean;
  };
  /** Totals since the start of the device. */
  readonly counts: Readonly<Record<"dispatches" | "submits" | "pipelines" | "bindGroups", number>>;
  /** True if the device has a clock for `timesOf`. */
  readonly hasTimestamps: boolean;
  /** Submits everything enqueued so far, without waiting for it. */
  submit(): void;
  /** Milliseconds that the device takes for what each of `runs` enqueues, by its own clock. Needs `hasTimestamps`. */
  timesOf(runs: readonly (() => void)[]): Promise<number[]>;
}

/** A library of the system that computes a backend's matmuls. */
export interface Blas {
  /** As for `blas` of `createBackend`. */
  readonly name: string;
  /** The file name or path that it is loaded by. */
  readonly library: string;
  /** Its version and the like, in its own words. */
  readonly description: string;
}

export interface Backend extends Operations {
  /** Name in the registry: "wasm", "reference". */
  readonly name: string;
  /** Name of the kernels, as for `kernel` of `createBackend`; "" for a backend without a choice. */
  readonly kernel: string;
  /** The device, for people: "4 threads", or the name of a GPU. */
  readonly device: string;
  /** One line for people: name, kernel and device. */
  readonly description: string;
  /** Number of computing threads; a single one may be the calling thread. */
  readonly threads: number;
  readonly limits: BackendLimits;
  readonly promises: BackendPromises;
  /** What a training step can be stored in. */
  readonly precisions: readonly Precision[];
  /** What matrices that are only read can be stored in. */
  readonly weightTypes: readonly WeightType[];
  /** The BLAS that computes the matmuls, if the backend uses one. */
  readonly blas?: Blas;
  /** Bytes that tensors take now, with the backend's own scratch memory. */
  readonly memoryUsed: number;
  /** Bytes that the machine can give to more tensors now without swapping; undefined where that is not known. */
  readonly memoryAvailable?: number;
  /** The device, if it has a queue of its own. */
  readonly queueDevice?: QueueDevice;
  /** Micro-kernels that measure the device's limits, with up to 400 MB of operands. Optional. */
  probes?(): Promise<Probes>;

  /**
   * A new tensor in a buffer of its own, all zero; `usage` is "activations" by default. MemoryError beyond the limits. Never
   * called inside a training step.
   */
  alloc(shape: readonly number[], dtype?: DType, usage?: Usage): Tensor;
  /**
   * Gives the whole buffer of `tensor` back; neither it nor its views may be used again. Waits for what uses it. Does
   * nothing on a backend that was disposed of.
   */
  free(tensor: Tensor): Promise<void>;
  /** Copies `data` to the start of `tensor`, after all that was enqueued before. */
  write(tensor: Tensor, data: Float32Array | Int32Array): Promise<void>;
  /** A copy of the tensor's elements (f32) once all that was enqueued before has been computed. */
  read(tensor: Tensor): Promise<Float32Array>;
  /**
   * The memory of an f32 tensor itself, once all that was enqueued before has been computed: of backends that compute in this
   * process's memory. Good until the next `alloc`, and not to be touched while operations use the tensor.
   */
  hostMemory?(tensor: Tensor): Promise<Float32Array>;
  /** Resolves when everything enqueued so far has been computed; rejects with BackendError if something failed. */
  sync(): Promise<void>;
  /**
   * Compares a few operations of a training step in this precision with the reference, the first time it is called: of backends
   * that do not check all of their precisions when they start. BackendError where results differ.
   */
  selfCheck?(precision: Precision): Promise<void>;
  /** Stops workers and gives all memory back. The backend cannot be used after. */
  dispose(): Promise<void>;

  /** f32 elements that `attentionForward` saves for `attentionBackward`; their layout is private to the backend. */
  attentionSavedSize(shape: AttentionShape): number;
  /** f32 elements of scratch memory that the head's operations need for N rows. */
  headScratchSize(N: number, Vp: number): number;
}
