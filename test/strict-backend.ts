import { type Backend, type DType, elementBytes, sizeOf, type Tensor } from "../src/backend/backend.ts";
import { ReferenceBackend } from "../src/backend/reference/reference.ts";
import { type Call, recordOperations } from "../src/backend/work.ts";

/** Operands that may begin at any element, by operation and by name or place. */
const anywhere: Readonly<Record<string, readonly string[]>> = {
  matmulForward: ["0", "1"],
  headLoss: ["0.losses", "0.targets", "1"],
  mean: ["0"],
  sumSquares: ["0"],
};

/** What an operation writes, by name or place, if that is not its first operand alone. */
const written: Readonly<Record<string, readonly string[]>> = {
  embeddingBackward: ["0", "1"],
  layernormForward: ["0.out", "0.mean", "0.rstd"],
  layernormBackward: ["0", "1.weight", "1.bias"],
  matmulBackwardWeight: ["0.weight", "0.bias"],
  attentionForward: ["0", "1", "4.keys", "4.values"],
  headLoss: ["0.losses", "0.scratch"],
  headBackward: ["0.losses", "0.scratch", "1", "2.weight"],
  adamw: ["0", "2", "3"],
};

/** Operations whose result may be in the place of an operand. */
const inPlace = ["geluForward", "geluBackward", "residualForward"];

/** The tensors among an operation's arguments, by name or place. */
function tensorsOf(argument: unknown, path: string): [path: string, tensor: Tensor][] {
  if (typeof argument !== "object" || argument === null) return [];
  if ("buffer" in argument && "dtype" in argument) return [[path, argument as Tensor]];
  return Object.entries(argument).flatMap(([name, member]) =>
    tensorsOf(member, path === "" ? name : `${path}.${name}`),
  );
}

/** Throws where a call does not keep to what the contract says of operands. */
function check({ operation, args }: Call, { limits }: Backend): void {
  const tensors = tensorsOf(args, "");
  for (const [path, { offset, dtype }] of tensors)
    if ((offset * elementBytes[dtype]) % limits.alignment !== 0 && !anywhere[operation]?.includes(path))
      throw new Error(`${operation}: operand ${path} begins at element ${offset}`);
  for (const [path, tensor] of tensors) {
    if (!(written[operation] ?? ["0"]).includes(path)) continue;
    const isSame = (other: Tensor) => other.offset === tensor.offset && other.size === tensor.size;
    for (const [other, { buffer }, same] of tensors.map(([name, each]) => [name, each, isSame(each)] as const))
      if (other !== path && buffer === tensor.buffer && !(same && inPlace.includes(operation)))
        throw new Error(`${operation}: operand ${path} is written and shares a buffer with ${other}`);
  }
}

class LimitedReference extends ReferenceBackend {
  override readonly limits;

  constructor(buffer: number) {
    super();
    this.limits = { total: Number.MAX_SAFE_INTEGER, buffer, alignment: 256 };
  }

  override alloc(shape: readonly number[], dtype: DType = "f32"): Tensor {
    if (sizeOf(shape) * elementBytes[dtype] > this.limits.buffer)
      throw new Error(`a buffer of ${shape.join(" x ")} ${dtype} is larger than ${this.limits.buffer} bytes`);
    return super.alloc(shape, dtype);
  }
}

/** The reference, as demanding as a GPU: operands begin at 256 bytes, and what is written is alone in its buffer. */
export function strictReference(buffer: number = Number.MAX_SAFE_INTEGER): Backend {
  const backend = new LimitedReference(buffer);
  return recordOperations(backend, (call) => check(call, backend));
}
