/**
 * The contract between the model and whatever computes it: tensor storage and about twenty layer operations, each with
 * its forward and its backward. `src/model/gpt2.ts` is written once against it; a backend implements it.
 *
 * A backend is a device. Operations are enqueued in order and return at once; `read`, `write` and `sync` wait for what
 * was enqueued before them. Shapes are the caller's promise: operations do not check them again.
 *
 * Names: B batch, T time, C channels, NH heads, hs = C / NH, V vocabulary, Vp its padded size, N rows (B * T), OC
 * output channels. All matrices are row-major; a weight is (out, in) as in PyTorch and llm.c.
 *
 * Every operation gives the same bits at any thread count: work is split over outputs, never over a sum.
 */
export type DType = "f32" | "i32" | "bf16";

export const elementBytes: Readonly<Record<DType, number>> = { f32: 4, i32: 4, bf16: 2 };

/** A piece of memory that a backend owns. What it holds is the backend's own business. */
export interface DeviceBuffer {
  readonly bytes: number;
}

/**
 * A view of a device buffer: `size` elements from element `offset` on. bf16 is for weights that are only read: the
 * `weight` of matmulForward and the `wte` of embeddingForward. Writing rounds to it (to nearest, ties to even), reading
 * widens; all sums are in f32.
 */
export interface Tensor {
  readonly buffer: DeviceBuffer;
  readonly dtype: DType;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly size: number;
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}

/** The part of `tensor` that starts at its element `start` and has `shape`. Shares memory; nothing is copied. */
export function view(tensor: Tensor, start: number, shape: readonly number[]): Tensor {
  const size = sizeOf(shape);
  if (start < 0 || start + size > tensor.size)
    throw new RangeError(`view of ${size} elements at ${start} does not fit a tensor of ${tensor.size}`);
  return { buffer: tensor.buffer, dtype: tensor.dtype, offset: tensor.offset + start, shape, size };
}

export interface AttentionShape {
  readonly B: number;
  readonly T: number;
  readonly C: number;
  readonly NH: number;
}

/** Keys and values of one layer for the positions seen so far: both (B, S, C), where S is the longest sequence. */
export interface KVCache {
  readonly keys: Tensor;
  readonly values: Tensor;
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

export interface Backend {
  readonly name: string;
  readonly threads: number;
  /** Whether products are rounded once with their addition (fused multiply-add); it changes the last bits. */
  readonly fma: boolean;
  /** One line for people: which kernels, how many threads. */
  readonly description: string;
  /** The most bytes that tensors may take together, and what they take now, with the backend's own scratch memory. */
  readonly memoryLimit: number;
  readonly memoryUsed: number;

  /** A new tensor, all zero. Never called inside a training step. */
  alloc(shape: readonly number[], dtype?: DType): Tensor;
  /**
   * Gives the whole buffer of `tensor` back; neither it nor its views may be used again. Waits for what uses it. Does
   * nothing on a backend that was disposed of.
   */
  free(tensor: Tensor): Promise<void>;
  /** Copies `data` to the start of `tensor`, after all that was enqueued before. */
  write(tensor: Tensor, data: Float32Array | Int32Array): Promise<void>;
  /** A copy of the tensor's elements (f32) once all that was enqueued before has been computed. */
  read(tensor: Tensor): Promise<Float32Array>;
  /** Resolves when everything enqueued so far has been computed; rejects with BackendError if something failed. */
  sync(): Promise<void>;
  /** Stops workers and gives all memory back. The backend cannot be used after. */
  dispose(): Promise<void>;

  fill(out: Tensor, value: number): void;

  /** out (B,T,C) = wte[tokens (B,T)] + wpe[past + t]. Tokens must lie in wte: the caller checks. */
  embeddingForward(
    out: Tensor,
    tokens: Tensor,
    wte: Tensor,
    wpe: Tensor,
    B: number,
    T: number,
    C: number,
    past: number,
  ): void;
  /** dwte[tokens] += dout; dwpe[t] += sum of dout over the batch. Always adds. */
  embeddingBackward(dwte: Tensor, dwpe: Tensor, dout: Tensor, tokens: Tensor, B: number, T: number, C: number): void;

  /** out (N,C) = (inp - mean) * rstd * weight + bias; keeps mean (N) and rstd (N) for the backward. */
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
  ): void;
  /** dinp += …, since the residual stream's gradient is already there; dweight, dbias (C): set, or += if `accumulate`. */
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
  ): void;

  /** out (N,OC) = inp (N,C) weight (OC,C)ᵀ + bias (OC). */
  matmulForward(out: Tensor, inp: Tensor, weight: Tensor, bias: Tensor | null, N: number, C: number, OC: number): void;
  /** dinp (N,C) = dout (N,OC) weight (OC,C). */
  matmulBackwardInput(dinp: Tensor, dout: Tensor, weight: Tensor, N: number, C: number, OC: number): void;
  /** dweight (OC,C) = doutᵀ inp and dbias (OC) = sum of dout over its rows; both += if `accumulate`. */
  matmulBackwardWeight(
    dweight: Tensor,
    dbias: Tensor | null,
    dout: Tensor,
    inp: Tensor,
    N: number,
    C: number,
    OC: number,
    accumulate: boolean,
  ): void;

  /** How many f32 elements `attentionForward` keeps for `attentionBackward`. Only the backend knows what they are. */
  attentionSavedSize(shape: AttentionShape): number;
  /**
   * Causal self-attention, all heads: out (B,T,C) from qkv (B,T,3C). `saved` is null when no backward follows.
   * With a cache, the T new keys and values are put there at positions past … past+T-1, and query t sees cache
   * positions 0 … past+t.
   */
  attentionForward(
    out: Tensor,
    saved: Tensor | null,
    qkv: Tensor,
    shape: AttentionShape,
    cache?: KVCache,
    past?: number,
  ): void;
  /** dqkv (B,T,3C) is overwritten; `saved` is what the forward gave. */
  attentionBackward(dqkv: Tensor, dout: Tensor, qkv: Tensor, saved: Tensor, shape: AttentionShape): void;

  /** Over all elements: out = 0.5 inp (1 + tanh(sqrt(2/pi) (inp + 0.044715 inp³))), or 0.5 inp (1 + erf(inp / sqrt 2)). */
  geluForward(out: Tensor, inp: Tensor, form: GeluForm): void;
  /** dinp = dout * gelu'(inp); dinp may be dout itself. */
  geluBackward(dinp: Tensor, inp: Tensor, dout: Tensor, form: GeluForm): void;

  /** out = a + b; out may be either. Backward: the gradient goes to both unchanged, so there is none. */
  residualForward(out: Tensor, a: Tensor, b: Tensor): void;

  /** f32 elements of scratch memory that the two head operations below need for N rows. */
  headScratchSize(N: number, Vp: number): number;
  /**
   * The head with softmax and cross-entropy: losses (N) = -log softmax(inp (N,C) wte (Vp,C)ᵀ)[targets (N)], over the
   * first V columns. The logits are never held for more rows than `scratch` takes.
   */
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
  ): void;
  /**
   * The same, and its gradient: dinp (N,C) is overwritten; dwte (Vp,C) is set, or += if `accumulate`. `scale` is the
   * weight of one row's loss: 1/N for a mean.
   */
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
  ): void;

  /** out (1) = mean of inp. */
  mean(out: Tensor, inp: Tensor): void;
  /** out (1) = sum of the squares of all elements of all tensors, at least double precision inside. */
  sumSquares(out: Tensor, tensors: readonly Tensor[]): void;
  /** One AdamW update of `param`, as torch.optim.AdamW does it (decoupled decay, bias-corrected moments). */
  adamw(param: Tensor, grad: Tensor, m: Tensor, v: Tensor, options: AdamWOptions): void;
}
