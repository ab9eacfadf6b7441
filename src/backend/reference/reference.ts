import { BackendError } from "../../errors.ts";
import { takeTurns } from "../../turns.ts";
import {
  type AdamWOptions,
  type AttentionShape,
  type Backend,
  type DeviceBuffer,
  type DType,
  type GeluForm,
  type KVCache,
  sizeOf,
  type Tensor,
} from "../backend.ts";
import { fromBfloat16, toBfloat16 } from "../bfloat16.ts";
import { adamw } from "./adamw.ts";
import { attentionBackward, attentionForward, attentionSavedSize } from "./attention.ts";
import { softmaxCrossentropy } from "./crossentropy.ts";
import { embeddingBackward, embeddingForward } from "./embedding.ts";
import { geluBackward, geluForward } from "./gelu.ts";
import { layernormBackward, layernormForward } from "./layernorm.ts";
import { matmulBackwardInput, matmulBackwardWeight, matmulForward } from "./matmul.ts";

class HostBuffer implements DeviceBuffer {
  readonly data: ArrayBuffer;

  constructor(bytes: number) {
    this.data = new ArrayBuffer(bytes);
  }

  get bytes(): number {
    return this.data.byteLength;
  }
}

function host(tensor: Tensor): ArrayBuffer {
  if (!(tensor.buffer instanceof HostBuffer)) throw new BackendError("This tensor belongs to another backend.");
  return tensor.buffer.data;
}

function f32(tensor: Tensor): Float32Array;
function f32(tensor: Tensor | null): Float32Array | null;
function f32(tensor: Tensor | null): Float32Array | null {
  return tensor && new Float32Array(host(tensor), tensor.offset * 4, tensor.size);
}

function i32(tensor: Tensor): Int32Array {
  return new Int32Array(host(tensor), tensor.offset * 4, tensor.size);
}

/**
 * Plain loops over plain arrays, sums in double precision, one thread: slow, and what every other backend is tested
 * against. With the layers beside this file and model/gpt2.ts it is the readable GPT-2.
 */
export class ReferenceBackend implements Backend {
  readonly name = "reference";
  readonly threads = 1;
  readonly fma = false;
  readonly description = "reference: plain TypeScript, double-precision sums, 1 thread";
  readonly memoryLimit = Number.MAX_SAFE_INTEGER;
  memoryUsed = 0;
  private queue: (() => void)[] = [];
  private running: Promise<void> = Promise.resolve();

  alloc(shape: readonly number[], dtype: DType = "f32"): Tensor {
    const size = sizeOf(shape);
    const buffer = new HostBuffer(size * 4);
    this.memoryUsed += buffer.bytes;
    return { buffer, dtype, offset: 0, shape, size };
  }

  async free({ buffer }: Tensor): Promise<void> {
    await this.sync(); // the garbage collector does the rest
    this.memoryUsed -= buffer.bytes;
  }

  async write(tensor: Tensor, data: Float32Array | Int32Array): Promise<void> {
    await this.sync();
    if (tensor.dtype === "i32") i32(tensor).set(data);
    else f32(tensor).set(tensor.dtype === "bf16" ? fromBfloat16(toBfloat16(Float32Array.from(data))) : data);
  }

  async read(tensor: Tensor): Promise<Float32Array> {
    await this.sync();
    return f32(tensor).slice();
  }

  /** Runs what was enqueued, an operation at a time, in turns with the event loop. */
  sync(): Promise<void> {
    const operations = this.queue;
    this.queue = [];
    this.running = this.running.then(async () => {
      const turn = takeTurns();
      for (const operation of operations) {
        operation();
        await turn();
      }
    });
    return this.running;
  }

  async dispose(): Promise<void> {
    await this.sync();
  }

  fill(out: Tensor, value: number): void {
    this.enqueue(() => (out.dtype === "i32" ? i32(out) : f32(out)).fill(value));
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
    this.enqueue(() => embeddingForward(f32(out), i32(tokens), f32(wte), f32(wpe), B, T, C, past));
  }

  embeddingBackward(dwte: Tensor, dwpe: Tensor, dout: Tensor, tokens: Tensor, B: number, T: number, C: number): void {
    this.enqueue(() => embeddingBackward(f32(dwte), f32(dwpe), f32(dout), i32(tokens), B, T, C));
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
    this.enqueue(() =>
      layernormForward(f32(out), f32(mean), f32(rstd), f32(inp), f32(weight), f32(bias), N, C, epsilon),
    );
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
    this.enqueue(() =>
      layernormBackward(
        f32(dinp),
        f32(dweight),
        f32(dbias),
        f32(dout),
        f32(inp),
        f32(weight),
        f32(mean),
        f32(rstd),
        N,
        C,
        accumulate,
      ),
    );
  }

  matmulForward(out: Tensor, inp: Tensor, weight: Tensor, bias: Tensor | null, N: number, C: number, OC: number): void {
    this.enqueue(() => matmulForward(f32(out), f32(inp), f32(weight), f32(bias), N, C, OC));
  }

  matmulBackwardInput(dinp: Tensor, dout: Tensor, weight: Tensor, N: number, C: number, OC: number): void {
    this.enqueue(() => matmulBackwardInput(f32(dinp), f32(dout), f32(weight), N, C, OC));
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
    this.enqueue(() => matmulBackwardWeight(f32(dweight), f32(dbias), f32(dout), f32(inp), N, C, OC, accumulate));
  }

  attentionSavedSize(shape: AttentionShape): number {
    return attentionSavedSize(shape);
  }

  attentionForward(
    out: Tensor,
    saved: Tensor | null,
    qkv: Tensor,
    shape: AttentionShape,
    cache?: KVCache,
    past = 0,
  ): void {
    this.enqueue(() => {
      const filled = cache && { keys: f32(cache.keys), values: f32(cache.values), S: cache.keys.shape[1], past };
      attentionForward(f32(out), f32(saved), f32(qkv), shape, filled);
    });
  }

  attentionBackward(dqkv: Tensor, dout: Tensor, qkv: Tensor, saved: Tensor, shape: AttentionShape): void {
    this.enqueue(() => attentionBackward(f32(dqkv), f32(dout), f32(qkv), f32(saved), shape));
  }

  geluForward(out: Tensor, inp: Tensor, form: GeluForm): void {
    this.enqueue(() => geluForward(f32(out), f32(inp), form));
  }

  geluBackward(dinp: Tensor, inp: Tensor, dout: Tensor, form: GeluForm): void {
    this.enqueue(() => geluBackward(f32(dinp), f32(inp), f32(dout), form));
  }

  residualForward(out: Tensor, a: Tensor, b: Tensor): void {
    this.enqueue(() => {
      const [sum, x, y] = [f32(out), f32(a), f32(b)];
      for (let i = 0; i < sum.length; i++) sum[i] = x[i] + y[i];
    });
  }

  headScratchSize(N: number, Vp: number): number {
    return N * Vp;
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
    this.matmulForward(scratch, inp, wte, null, N, C, Vp);
    this.enqueue(() => softmaxCrossentropy(f32(losses), f32(scratch), i32(targets), N, V, Vp));
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
    this.matmulForward(scratch, inp, wte, null, N, C, Vp);
    this.enqueue(() => softmaxCrossentropy(f32(losses), f32(scratch), i32(targets), N, V, Vp, scale));
    this.matmulBackwardInput(dinp, scratch, wte, N, C, Vp);
    this.matmulBackwardWeight(dwte, null, scratch, inp, N, C, Vp, accumulate);
  }

  mean(out: Tensor, inp: Tensor): void {
    this.enqueue(() => {
      let sum = 0;
      for (const x of f32(inp)) sum += x;
      f32(out)[0] = sum / inp.size;
    });
  }

  sumSquares(out: Tensor, tensors: readonly Tensor[]): void {
    this.enqueue(() => {
      let sum = 0;
      for (const tensor of tensors) for (const x of f32(tensor)) sum += x * x;
      f32(out)[0] = sum;
    });
  }

  adamw(param: Tensor, grad: Tensor, m: Tensor, v: Tensor, options: AdamWOptions): void {
    this.enqueue(() => adamw(f32(param), f32(grad), f32(m), f32(v), options));
  }

  private enqueue(operation: () => void): void {
    this.queue.push(operation);
  }
}

export function createReferenceBackend(): Backend {
  return new ReferenceBackend();
}
