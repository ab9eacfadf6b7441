import { type Backend, elementBytes, type Tensor, type Usage, view, type WeightType } from "../backend/backend.ts";
import { GROUP } from "../backend/int8.ts";
import { sizeOf } from "../backend/shape.ts";

/** A tensor that each of some layers has, or that there is once. */
export interface Stacked {
  readonly name: string;
  /** The shape: of each layer's, where there is one a layer. */
  readonly shape: readonly number[];
  /** Number of such tensors. */
  readonly count: number;
  /** Elements of all of them. */
  readonly size: number;
  /** Weight decay pulls on it. */
  readonly decay?: boolean;
  /** May be kept in bfloat16 or int8. */
  readonly bf16?: boolean;
}

/** A tensor of all layers in a backend's memory: consecutive layers share a buffer, as many as the backend's limit takes. */
interface Stack {
  /** Whole buffers. Between layers may be zeros, so that each begins where the backend wants it. */
  readonly blocks: readonly Tensor[];
  /** The tensor of each layer; of a tensor that is not per layer, the one. */
  readonly layers: readonly Tensor[];
  /** The longest pieces without such zeros, all of one size but the last: blocks or layers. */
  readonly pieces: readonly Tensor[];
}

function allocStack(
  at: Pick<Backend, "alloc" | "limits">,
  { shape, count, bf16 }: Stacked,
  dtype: WeightType,
  usage: Usage,
): Stack {
  const type = bf16 ? dtype : "f32";
  const { buffer, alignment } = at.limits;
  const size = sizeOf(shape);
  const step = stepOf(type, alignment);
  const stride = Math.ceil(size / step) * step;
  // As many in either type, so that a copy in bf16 is cut like the weights.
  const inBlock = Math.max(1, Math.floor(buffer / (elementBytes.f32 * stride)));
  const blocks: Tensor[] = [];
  const layers: Tensor[] = [];
  for (let first = 0; first < count; first += inBlock) {
    const inThis = Math.min(inBlock, count - first);
    const block = at.alloc([(inThis - 1) * stride + size], type, usage);
    blocks.push(block);
    for (let i = 0; i < inThis; i++) layers.push(view(block, i * stride, shape));
  }
  return { blocks, layers, pieces: stride === size ? blocks : layers };
}

/** The least number of elements whose bytes are a multiple of the alignment, and, of int8, whole groups. */
function stepOf(type: WeightType, alignment: number): number {
  const unit = type === "int8" ? GROUP : 1;
  let step = unit;
  while ((step * elementBytes[type]) % alignment !== 0) step += unit;
  return step;
}

/** A value for each of some tensors. Zero at first. */
export class TensorStacks<P extends Stacked> {
  /** The tensors, in the order of their table. */
  readonly parameters: readonly P[];
  /** All there is, in that order, in as few tensors as the backend's buffers allow: for operations on every element. */
  readonly entries: readonly { readonly parameter: P; readonly tensor: Tensor }[];
  readonly #stacks: ReadonlyMap<string, Stack>;

  /** Allocates them, to be freed by the owner of the allocator; beside `others`, what is always f32 is theirs. */
  constructor(
    at: Pick<Backend, "alloc" | "limits">,
    parameters: readonly P[],
    dtype: WeightType,
    usage: Usage,
    others?: TensorStacks<P>,
  ) {
    this.parameters = parameters;
    const stack = (parameter: P) =>
      others && !parameter.bf16 ? others.#stack(parameter.name) : allocStack(at, parameter, dtype, usage);
    this.#stacks = new Map(parameters.map((parameter) => [parameter.name, stack(parameter)]));
    this.entries = parameters.flatMap((parameter) =>
      this.#stack(parameter.name).blocks.map((tensor) => ({ parameter, tensor })),
    );
  }

  /** The tensors of all entries. */
  get blocks(): readonly Tensor[] {
    return this.entries.map(({ tensor }) => tensor);
  }

  /** True for a tensor that is there. */
  has(name: P["name"]): boolean {
    return this.#stacks.has(name);
  }

  /** The tensor of each layer; of a tensor that is not per layer, the one. */
  tensors(name: P["name"]): readonly Tensor[] {
    return this.#stack(name).layers;
  }

  /** `length` elements of a tensor from `start` on, as llm.c's files count them: through all layers. */
  async read(be: Backend, name: P["name"], start: number, length: number): Promise<Float32Array> {
    const data = new Float32Array(length);
    for (const [from, piece] of this.cut(name, start, length)) {
      const part = await be.read(piece);
      if (part.length === length) return part;
      data.set(part, from);
    }
    return data;
  }

  /** Writes elements of a tensor from `start` on, counted as `read` does. */
  async write(be: Backend, name: P["name"], start: number, data: Float32Array): Promise<void> {
    for (const [from, piece] of this.cut(name, start, data.length))
      await be.write(piece, data.subarray(from, from + piece.size));
  }

  /** The pieces of memory that hold `length` elements from `start` on, each with how many come before it. */
  *cut(name: P["name"], start: number, length: number): Generator<[from: number, piece: Tensor]> {
    const { pieces } = this.#stack(name);
    const { size } = pieces[0];
    for (let from = 0; from < length; ) {
      const at = start + from;
      const inside = at % size;
      const piece = pieces[Math.floor(at / size)];
      const count = Math.min(length - from, piece.size - inside);
      yield [from, view(piece, inside, [count])];
      from += count;
    }
  }

  #stack(name: string): Stack {
    const stack = this.#stacks.get(name);
    if (!stack) throw new RangeError(`this model has no tensor ${name}`);
    return stack;
  }
}
