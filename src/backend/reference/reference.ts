import { BackendError, MemoryError } from "../../errors.ts";
import { takeTurns } from "../../turns.ts";
import {
  type AttentionShape,
  type Backend,
  type BackendLimits,
  type BackendPromises,
  type DeviceBuffer,
  type DType,
  elementBytes,
  type Operations,
  precisions,
  type Tensor,
  weightTypes,
} from "../backend.ts";
import { fromBfloat16, toBfloat16 } from "../bfloat16.ts";
import { throughInt8 } from "../int8.ts";
import { checkOperands, isTensor, writtenInBfloat16 } from "../operands.ts";
import { sizeOf } from "../shape.ts";
import type { OperationName } from "../work.ts";
import { adamw } from "./adamw.ts";
import { attentionBackward, attentionForward, attentionSavedSize } from "./attention.ts";
import { embeddingBackward, embeddingForward } from "./embedding.ts";
import { geluBackward, geluForward } from "./gelu.ts";
import { headBackward, headLoss } from "./head.ts";
import { type HostTensor, hostTensor } from "./host-tensor.ts";
import { layernormBackward, layernormForward } from "./layernorm.ts";
import { matmulBackwardInput, matmulBackwardWeight, matmulForward } from "./matmul.ts";
import { rotaryBackward, rotaryForward } from "./rotary.ts";

const operations: Operations<HostTensor> = {
  fill: (out, value) => out.data.fill(value),
  embeddingForward,
  embeddingBackward,
  layernormForward,
  layernormBackward,
  matmulForward,
  matmulBackwardInput,
  matmulBackwardWeight,
  rotaryForward,
  rotaryBackward,
  attentionForward,
  attentionBackward,
  geluForward,
  geluBackward,
  residualForward(out, a, b) {
    for (let i = 0; i < out.size; i++) out.data[i] = a.data[i] + b.data[i];
  },
  addScaled(out, a, alpha, b, beta) {
    for (let i = 0; i < out.size; i++) out.data[i] = alpha * a.data[i] + beta * b.data[i];
  },
  headLoss,
  headBackward,
  mean(out, inp) {
    let sum = 0;
    for (const x of inp.data) sum += x;
    out.data[0] = sum / inp.size;
  },
  sumSquares(out, tensors) {
    let sum = 0;
    for (const { data } of tensors) for (const x of data) sum += x * x;
    out.data[0] = sum;
  },
  adamw,
};

/** `data` as a tensor's type holds it. */
function roundedTo({ dtype }: Tensor, data: Float32Array | Int32Array): Float32Array | Int32Array {
  if (dtype === "bf16") return fromBfloat16(toBfloat16(Float32Array.from(data)));
  return dtype === "int8" ? throughInt8(Float32Array.from(data), "A matrix") : data;
}

class HostBuffer implements DeviceBuffer {
  readonly data: ArrayBuffer;

  constructor(bytes: number) {
    this.data = new ArrayBuffer(bytes);
  }

  get bytes(): number {
    return this.data.byteLength;
  }
}

function f32({ buffer, offset, size }: Tensor): Float32Array {
  if (!(buffer instanceof HostBuffer)) throw new BackendError("This tensor belongs to another backend.");
  return new Float32Array(buffer.data, offset * 4, size);
}

function hostTensorOf(tensor: Tensor): HostTensor {
  const floats = f32(tensor);
  const { buffer, byteOffset, length } = floats;
  return hostTensor(tensor.dtype === "i32" ? new Int32Array(buffer, byteOffset, length) : floats, tensor.shape);
}

/** The operand of an operation with every tensor in it, at any depth, as a host tensor. */
function onHost(operand: unknown): unknown {
  if (typeof operand !== "object" || operand === null) return operand;
  if (Array.isArray(operand)) return operand.map(onHost);
  if (isTensor(operand)) return hostTensorOf(operand);
  return Object.fromEntries(Object.entries(operand).map(([name, member]) => [name, onHost(member)]));
}

/**
 * Plain loops over plain arrays, sums in double precision, one thread: slow; the oracle that every other backend is
 * tested against. With the layers beside this file and model/gpt2.ts it is the readable GPT-2.
 */
export class ReferenceBackend implements Backend {
  readonly name = "reference";
  readonly kernel = "";
  readonly device = "1 thread";
  readonly description = "reference: plain TypeScript, double-precision sums, 1 thread";
  readonly threads = 1;
  readonly limits: BackendLimits;
  readonly promises: BackendPromises = { sameBits: true, fma: false };
  /** Elements of bfloat16 and int8 are held in f32, rounded. */
  readonly precisions = precisions;
  readonly weightTypes = weightTypes;
  memoryUsed = 0;
  private queue: (() => void)[] = [];
  private running: Promise<void> = Promise.resolve();

  /** `limits` as tight as another device's show on any machine whether a model keeps to them. */
  constructor(limits: Partial<BackendLimits> = {}) {
    const unlimited = Number.MAX_SAFE_INTEGER;
    this.limits = { total: unlimited, buffer: unlimited, alignment: elementBytes.f32, ...limits };
  }

  alloc(shape: readonly number[], dtype: DType = "f32"): Tensor {
    const size = sizeOf(shape);
    const { total, buffer: largest } = this.limits;
    if (size * elementBytes[dtype] > largest || this.memoryUsed + size * 4 > total)
      throw new MemoryError(
        `A tensor of ${shape.join(" x ")} ${dtype} does not fit this backend: ${largest} bytes a buffer, ${total} in all, ` +
          `${this.memoryUsed} in use.`,
      );
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
    const { data: elements } = hostTensorOf(tensor);
    elements.set(roundedTo(tensor, data));
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

  attentionSavedSize(shape: AttentionShape): number {
    return attentionSavedSize(shape);
  }

  headScratchSize(N: number, Vp: number): number {
    return N * Vp;
  }

  readonly fill = this.enqueued("fill");
  readonly embeddingForward = this.enqueued("embeddingForward");
  readonly embeddingBackward = this.enqueued("embeddingBackward");
  readonly layernormForward = this.enqueued("layernormForward");
  readonly layernormBackward = this.enqueued("layernormBackward");
  readonly matmulForward = this.enqueued("matmulForward");
  readonly matmulBackwardInput = this.enqueued("matmulBackwardInput");
  readonly matmulBackwardWeight = this.enqueued("matmulBackwardWeight");
  readonly rotaryForward = this.enqueued("rotaryForward");
  readonly rotaryBackward = this.enqueued("rotaryBackward");
  readonly attentionForward = this.enqueued("attentionForward");
  readonly attentionBackward = this.enqueued("attentionBackward");
  readonly geluForward = this.enqueued("geluForward");
  readonly geluBackward = this.enqueued("geluBackward");
  readonly residualForward = this.enqueued("residualForward");
  readonly addScaled = this.enqueued("addScaled");
  readonly headLoss = this.enqueued("headLoss");
  readonly headBackward = this.enqueued("headBackward");
  readonly mean = this.enqueued("mean");
  readonly sumSquares = this.enqueued("sumSquares");
  readonly adamw = this.enqueued("adamw");

  /** An operation of the contract: checks the operands, and runs the one on host tensors when its turn comes. */
  private enqueued<Name extends OperationName>(name: Name): Operations[Name] {
    const operation = operations[name] as (...operands: unknown[]) => void;
    return (...operands: unknown[]) => {
      const call = { operation: name, args: operands };
      checkOperands(call, this.limits);
      const halves = writtenInBfloat16(call).map(f32);
      this.queue.push(() => {
        operation(...operands.map(onHost));
        for (const data of halves) data.set(fromBfloat16(toBfloat16(data)));
      });
    };
  }
}

export function createReferenceBackend(): Backend {
  return new ReferenceBackend();
}
