/** The contract's requirements on operands (backend.ts) as data: alignment, sharing of buffers, what is written. */
import { BackendError } from "../errors.ts";
import { type BackendLimits, elementBytes, type Tensor } from "./backend.ts";
import { GROUP } from "./int8.ts";
import type { Call, OperationName } from "./work.ts";

/** Operands by their path in the arguments: `0`, `0.out`, `1.0`. */
type Paths = Readonly<Partial<Record<OperationName, readonly string[]>>>;

/** Operands that may begin at any element. */
const anywhere: Paths = {
  matmulForward: ["0", "1"],
  headLoss: ["0.losses", "0.targets", "1"],
  mean: ["0"],
  sumSquares: ["0"],
};

/** Operands that may be bf16, on a backend with that precision. Widths of rows and heads are multiples of 8 then. */
export const inBfloat16: Paths = {
  embeddingForward: ["2"],
  layernormForward: ["0.out"],
  layernormBackward: ["2", "5.out"],
  matmulForward: ["0", "1", "2.weight"],
  matmulBackwardInput: ["0", "1", "2.weight"],
  matmulBackwardWeight: ["1", "2"],
  rotaryForward: ["0"],
  rotaryBackward: ["0"],
  attentionForward: ["0", "2"],
  attentionBackward: ["0", "1", "2"],
  geluForward: ["0", "1"],
  geluBackward: ["0", "1", "2"],
  residualForward: ["2"],
  headLoss: ["1", "2"],
  headBackward: ["1", "3", "4"],
  adamw: ["5"],
};

/** Operands that may be int8, on a backend that has it. */
const inInt8: Paths = {
  embeddingForward: ["2"],
  matmulForward: ["2.weight"],
  matmulBackwardInput: ["2.weight"],
  headLoss: ["2"],
  headBackward: ["4"],
};

/** Operands that an operation writes, where that is not the first alone. */
const written: Paths = {
  embeddingBackward: ["0", "1"],
  layernormForward: ["0.out", "0.mean", "0.rstd"],
  layernormBackward: ["0", "1.weight", "1.bias"],
  matmulBackwardWeight: ["0.weight", "0.bias"],
  attentionForward: ["0", "1", "4.keys", "4.values"],
  headLoss: ["0.losses", "0.scratch"],
  headBackward: ["0.losses", "0.scratch", "1", "2.weight"],
  adamw: ["0", "2", "3", "5"],
};

/** Of those, operands whose former elements count, or are kept in part; gradients have `accumulate`. */
const updated: Paths = {
  embeddingBackward: ["0", "1"],
  layernormBackward: ["0"],
  rotaryForward: ["0"],
  rotaryBackward: ["0"],
  attentionForward: ["4.keys", "4.values"],
  adamw: ["0", "2", "3"],
};

/** Operations whose result may overwrite an operand of the same shape. */
const inPlace: readonly OperationName[] = ["geluForward", "geluBackward", "residualForward", "addScaled"];

export function isTensor(operand: object): operand is Tensor {
  return "buffer" in operand && "dtype" in operand;
}

function tensorsOf(operand: unknown, path: string): [path: string, tensor: Tensor][] {
  if (typeof operand !== "object" || operand === null) return [];
  if (isTensor(operand)) return [[path, operand]];
  return Object.entries(operand).flatMap(([name, member]) => tensorsOf(member, path === "" ? name : `${path}.${name}`));
}

const isWritten = (operation: OperationName, path: string) => (written[operation] ?? ["0"]).includes(path);

/** The operands that a call writes in bf16. */
export function writtenInBfloat16({ operation, args }: Call): Tensor[] {
  return tensorsOf(args, "")
    .filter(([path, { dtype }]) => dtype === "bf16" && isWritten(operation, path))
    .map(([, tensor]) => tensor);
}

/** An operand of an operation, and whether the operation reads and writes it. */
export interface Access {
  readonly tensor: Tensor;
  readonly reads: boolean;
  readonly writes: boolean;
}

export function accessesOf({ operation, args }: Call): Access[] {
  return args.flatMap((operand, i) => {
    const adds = typeof operand === "object" && operand !== null && "accumulate" in operand && operand.accumulate;
    return tensorsOf(operand, String(i)).map(([path, tensor]) => {
      const writes = isWritten(operation, path);
      return { tensor, reads: !writes || adds === true || updated[operation]?.includes(path) === true, writes };
    });
  });
}

/** An operation's arguments with each tensor replaced. */
export function mapTensors<A>(args: A, replace: (tensor: Tensor) => Tensor): A {
  const mapped = (operand: unknown): unknown => {
    if (typeof operand !== "object" || operand === null) return operand;
    if (isTensor(operand)) return replace(operand);
    if (Array.isArray(operand)) return operand.map(mapped);
    return Object.fromEntries(Object.entries(operand).map(([name, member]) => [name, mapped(member)]));
  };
  return mapped(args) as A;
}

/**
 * BackendError for operands that break the contract: misaligned, of another type, or written in a buffer that another
 * operand shares.
 */
export function checkOperands({ operation, args }: Call, { alignment }: BackendLimits): void {
  const tensors = tensorsOf(args, "");
  for (const [path, { offset, dtype }] of tensors) {
    const allowed = dtype === "bf16" ? inBfloat16 : dtype === "int8" ? inInt8 : undefined;
    if (allowed && !allowed[operation]?.includes(path))
      throw new BackendError(`${operation}: operand ${path} is ${dtype}, and this one has to be float32.`);
    if (dtype === "int8" && offset % GROUP !== 0)
      throw new BackendError(
        `${operation}: operand ${path} is int8 and begins at element ${offset} of its buffer, and it has to be a multiple of ` +
          `${GROUP}. Allocate it apart, or view it from such an element on.`,
      );
    const start = offset * elementBytes[dtype];
    if (start % alignment !== 0 && !anywhere[operation]?.includes(path))
      throw new BackendError(
        `${operation}: operand ${path} begins at byte ${start} of its buffer, and this backend needs a multiple of ` +
          `${alignment} (limits.alignment). Allocate it apart, or view it from such a byte on.`,
      );
  }
  for (const [path, tensor] of tensors.filter(([path]) => isWritten(operation, path))) {
    const shared = tensors.find(
      ([other, { buffer, offset, size }]) =>
        other !== path &&
        buffer === tensor.buffer &&
        !(inPlace.includes(operation) && offset === tensor.offset && size === tensor.size),
    );
    if (shared)
      throw new BackendError(
        `${operation}: operand ${path} is written and lies in one buffer with operand ${shared[0]}. Allocate it apart.`,
      );
  }
}
