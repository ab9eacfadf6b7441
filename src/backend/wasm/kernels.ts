/**
 * What a module built from assembly/ exports, as far as TypeScript calls it by name, and the commands a worker runs.
 *
 * Every kernel is called as (thread, threads, …): byte addresses first, then sizes, then floats. All workers call it
 * at once, each on its own instance of the module over one memory, and each computes its own slice of the output.
 */

/** The kernels that run as commands. A command's opcode is its kernel's place in this list. */
export const kernelNames = [
  "adamw",
  "attentionBackward",
  "attentionForward",
  "benchCopy",
  "benchFmaNarrow",
  "benchFmaWide",
  "benchRead",
  "benchTriad",
  "combine",
  "embeddingBackward",
  "embeddingForward",
  "embeddingForwardBf16",
  "fill",
  "geluBackward",
  "geluErfBackward",
  "geluErfForward",
  "geluForward",
  "layernormBackward",
  "layernormForward",
  "matmulBackwardInput",
  "matmulBackwardWeight",
  "matmulForward",
  "matmulForwardBf16",
  "residualForward",
  "softmaxLoss",
  "sumChunks",
  "sumSquares",
  "widenBf16",
] as const;

export type KernelName = (typeof kernelNames)[number];

export type Kernel = (...args: number[]) => void;

export interface KernelExports extends Record<KernelName, Kernel> {
  /** Elements whose sum `sumChunks` and `sumSquares` keep in one f64. */
  chunkSize(): number;
  /** The most rows that are multiplied by dot products; matmulForwardBf16 takes no more. */
  fewRows(): number;
  /** Bytes of scratch memory that one instance needs to attend over rows of up to T keys. */
  scratchBytes(T: number): number;
  setScratch(address: number): void;
  setTile(tile: number): void;
  /** 1 if a product and its sum are rounded once. x must be 1 + 2^-12. */
  isFused(x: number): number;
}

/** Commands that are no kernels: what a worker does to itself or for the caller. */
export const FENCE = kernelNames.length;
/** (address, stride): instance `thread` takes its scratch memory at address + thread * stride. */
export const SET_SCRATCH = FENCE + 1;
/** (tile) */
export const SET_TILE = FENCE + 2;
/** Added to a kernel's opcode: the first worker computes all of it, while the others wait. */
export const ALONE = 256;

export function opcodeOf(name: KernelName): number {
  return kernelNames.indexOf(name);
}

/** Instantiates without waiting: only where that is allowed (workers, Node). */
export function instantiate(module: WebAssembly.Module, memory: WebAssembly.Memory): KernelExports {
  return exportsOf(new WebAssembly.Instance(module, { env: { memory } }));
}

export function exportsOf(instance: WebAssembly.Instance): KernelExports {
  // The build has checked the signatures; here only their presence can be.
  return instance.exports as unknown as KernelExports;
}

/** Runs one command's slice. Kernels take as many of the arguments as they need; adamw takes the most, 13. */
export function runCommand(
  kernels: KernelExports,
  opcode: number,
  thread: number,
  threads: number,
  args: ArrayLike<number>,
  at: number,
): void {
  if (opcode >= ALONE) {
    if (thread === 0) runCommand(kernels, opcode - ALONE, 0, 1, args, at);
  } else if (opcode === SET_SCRATCH) kernels.setScratch(args[at] + thread * args[at + 1]);
  else if (opcode === SET_TILE) kernels.setTile(args[at]);
  else if (opcode < kernelNames.length)
    kernels[kernelNames[opcode]](
      thread,
      threads,
      args[at],
      args[at + 1],
      args[at + 2],
      args[at + 3],
      args[at + 4],
      args[at + 5],
      args[at + 6],
      args[at + 7],
      args[at + 8],
      args[at + 9],
      args[at + 10],
      args[at + 11],
      args[at + 12],
    );
}
