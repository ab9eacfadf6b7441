/**
 * Exports of the modules built from assembly/ that TypeScript calls by name, and the commands that workers run.
 *
 * The arguments of a kernel: part, parts, byte addresses, sizes, floats. It computes one of so many equal parts of the output;
 * each worker has its own instance of the module over the shared memory.
 */

import type { Bank } from "./outside.ts";

/** Kernels that run as commands. The opcode of a command is the index of its kernel here. */
export const kernelNames = [
  "adamw",
  "attentionBackward",
  "attentionForward",
  "addScaled",
  "benchCopy",
  "benchFma128",
  "benchFma256",
  "benchRead",
  "benchTriad",
  "combine",
  "embeddingBackward",
  "embeddingForward",
  "embeddingForwardBf16",
  "embeddingForwardInt8",
  "fill",
  "geluBackward",
  "geluErfBackward",
  "geluErfForward",
  "geluForward",
  "layernormBackward",
  "layernormForward",
  "matmulFewRows",
  "matmulFewRowsBf16",
  "matmulFewRowsInt8",
  "multiplyForeign",
  "multiplyShared",
  "packShared",
  "quantizeRows",
  "residualForward",
  "rotary",
  "softmaxLoss",
  "sumChunks",
  "sumRows",
  "sumSquares",
  "widenBf16",
  "widenInt8",
] as const;

export type KernelName = (typeof kernelNames)[number];

export type Kernel = (...args: number[]) => void;

export interface KernelExports extends Record<KernelName, Kernel> {
  /** Elements per partial sum (f64) of `sumChunks` and `sumSquares`. */
  chunkSize(): number;
  /** Largest number of rows that a matmul computes as dot products; the limit of matmulFewRows. */
  fewRows(): number;
  /** Bytes that quantizeRows writes of a row of so many blocks. */
  inputRowBytes(blocks: number): number;
  /** Bytes of scratch memory per instance for attention over up to T keys, with heads of hs floats. */
  scratchBytes(T: number, hs: number): number;
  setScratch(address: number): void;
  setTile(tile: number): void;
  setForeign(work: number): void;
  /** 1 if multiply-add is fused, that is rounded once. x must be 1 + 2^-12. */
  isFused(x: number): number;
}

/** Control commands: opcodes that follow the kernels'. */
export const FENCE = kernelNames.length;
/** (address, stride): places the scratch memory of instance `thread` at address + thread * stride. */
export const SET_SCRATCH = FENCE + 1;
/** (tile): selects the GEMM tile by its index in `tiles`. */
export const SET_TILE = FENCE + 2;
/** (work): leaves attention's matmuls of at least so many multiply-adds to the BLAS that the module imports. */
export const SET_FOREIGN = FENCE + 3;
/** (bank, address, bank, address, bytes): copies from the one place to the other; bank 0 is the WebAssembly memory. */
export const COPY = FENCE + 4;
/** (count): waits until the worker knows so many banks. */
export const AWAIT_BANKS = FENCE + 5;

/** For messages. */
export function nameOfCommand(opcode: number): string {
  return opcode === COPY ? "copy" : (kernelNames[opcode] ?? `command ${opcode}`);
}

export function opcodeOf(name: KernelName): number {
  return kernelNames.indexOf(name);
}

/** cblas_sgemm over the module's memory, row-major, with alpha 1, and beta 1 if `accumulate`, else 0. Addresses in bytes. */
export type Sgemm = (
  transA: number,
  transB: number,
  M: number,
  N: number,
  K: number,
  a: number,
  lda: number,
  b: number,
  ldb: number,
  c: number,
  ldc: number,
  accumulate: number,
) => void;

/** Synchronous instantiation: for workers and Node only. */
export function instantiate(module: WebAssembly.Module, memory: WebAssembly.Memory, sgemm?: Sgemm): KernelExports {
  return exportsOf(new WebAssembly.Instance(module, importsOf(memory, sgemm)));
}

/** Imports of a module. Without a BLAS nothing calls `sgemm`, since SET_FOREIGN is not sent. */
export function importsOf(memory: WebAssembly.Memory, sgemm: Sgemm = () => {}): WebAssembly.Imports {
  return { env: { memory, sgemm } };
}

export function exportsOf(instance: WebAssembly.Instance): KernelExports {
  // The build checks the signatures; nothing here can.
  return instance.exports as unknown as KernelExports;
}

/** What a thread computes with. */
export interface Machine {
  readonly kernels: KernelExports;
  readonly memory: WebAssembly.Memory;
  /** Memory outside: bank 1 is the first. */
  readonly banks: Bank[];
}

/** Bytes of a bank; bank 0 is the WebAssembly memory. RangeError for bytes that it does not have. */
function bytesOf({ memory, banks }: Machine, bank: number, start: number, length: number): Uint8Array {
  if (bank > 0) return new Uint8Array(banks[bank - 1], start, length);
  // A thread that did not make it grow may have the buffer of before, until it asks.
  if (memory.buffer.byteLength < start + length) memory.grow(0);
  return new Uint8Array(memory.buffer, start, length);
}

/** Bytes that no two parts of a copy share: a cache line. */
const LINE = 64;

/** One part of a copy. */
function copy(machine: Machine, part: number, parts: number, args: ArrayLike<number>, at: number): void {
  const [fromBank, from, toBank, to, bytes] = [args[at], args[at + 1], args[at + 2], args[at + 3], args[at + 4]];
  const lines = Math.ceil(bytes / LINE);
  const [start, end] = [part, part + 1].map((i) => Math.min(bytes, LINE * Math.floor((lines * i) / parts)));
  const source = bytesOf(machine, fromBank, from + start, end - start);
  bytesOf(machine, toBank, to + start, end - start).set(source);
}

/**
 * Runs one part of a command; of a command for every worker, `part` is the worker. Kernels ignore surplus arguments; adamw has
 * the most, 13.
 */
export function runCommand(
  machine: Machine,
  opcode: number,
  part: number,
  parts: number,
  args: ArrayLike<number>,
  at: number,
): void {
  const { kernels } = machine;
  if (opcode === SET_SCRATCH) kernels.setScratch(args[at] + part * args[at + 1]);
  else if (opcode === SET_TILE) kernels.setTile(args[at]);
  else if (opcode === SET_FOREIGN) kernels.setForeign(args[at]);
  else if (opcode === COPY) copy(machine, part, parts, args, at);
  else if (opcode < kernelNames.length)
    kernels[kernelNames[opcode]](
      part,
      parts,
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
