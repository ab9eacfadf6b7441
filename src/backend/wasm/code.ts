/** Compiled kernels, cached per process, and the engine features that they need. */
import { platform } from "#platform";
import { BackendError } from "../../errors.ts";
import type { KernelBuild } from "../../platform/platform.ts";
import { hashOf } from "../../platform/result-cache.ts";
import type { Code } from "./variants.ts";

export interface CompiledCode {
  readonly module: WebAssembly.Module;
  /** Hash of the bytes: identifies the build of the kernels. */
  readonly hash: string;
}

const compiled = new Map<string, Promise<CompiledCode | string>>();

/** The module of `code`, or the reason why this engine cannot run it. BackendError if its file is missing or damaged. */
export async function compileCode({ build, simd256 }: Code, shared: boolean): Promise<CompiledCode | string> {
  const problem = simd256 ? platform.problemOfSimd256() : undefined;
  if (problem !== undefined) return `256-bit vectors: ${problem}`;
  const file = `${build}${shared ? "-shared" : ""}` as const;
  const key = `${file} ${simd256}`;
  const known = compiled.get(key) ?? compile(file, simd256);
  compiled.set(key, known);
  try {
    return await known;
  } catch (error) {
    compiled.delete(key); // so that the next call tries again
    if (!(error instanceof WebAssembly.CompileError)) throw error;
    if (build === "relaxed" && !(await supportsRelaxed())) return "relaxed SIMD: not known to this engine";
    throw new BackendError(
      `${file}.wasm, the kernels that compute, cannot be compiled: ${error.message}. The file is damaged, or this ` +
        "engine does not know WebAssembly SIMD. Install llm-ts again (in a clone: npm run build).",
    );
  }
}

async function compile(file: KernelBuild, simd256: boolean): Promise<CompiledCode | string> {
  const bytes = await platform.loadKernels(file);
  // V8 shares the compiled code of modules with equal bytes: other code needs other bytes.
  const module = await platform.compile(simd256 ? withNote(bytes, "256-bit") : bytes, simd256);
  return typeof module === "string" ? `256-bit vectors: ${module}` : { module, hash: hashOf(bytes) };
}

/** The module with an empty custom section of this name at its end. */
function withNote(bytes: Uint8Array<ArrayBuffer>, name: string): Uint8Array<ArrayBuffer> {
  const letters = new TextEncoder().encode(name);
  const section = [0, letters.length + 1, letters.length, ...letters];
  const longer = new Uint8Array(bytes.length + section.length);
  longer.set(bytes);
  longer.set(section, bytes.length);
  return longer;
}

/** Reason for which no kernel can run on this engine, as a phrase; undefined where kernels can. */
export function problemOfEngine(): string | undefined {
  // Undefined under node --jitless, and in Safari's lockdown mode.
  if (typeof WebAssembly === "undefined") return "this JavaScript engine has no WebAssembly, or was started without it";
  return WebAssembly.validate(SIMD) ? undefined : "this JavaScript engine does not know WebAssembly SIMD";
}

/** Through the platform, since engines may have it behind a flag. */
async function supportsRelaxed(): Promise<boolean> {
  return platform.compile(RELAXED_MADD, false).then(
    () => true,
    () => false,
  );
}

/** A module whose one function uses i8x16.splat and i8x16.popcnt. */
const SIMD = Uint8Array.of(
  ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
  ...[1, 5, 1, 0x60, 0, 1, 0x7b], // type: () -> v128
  ...[3, 2, 1, 0], // function 0 is of type 0
  ...[10, 10, 1, 8, 0, 0x41, 0, 0xfd, 0x0f, 0xfd, 0x62, 0x0b],
);

/** A module whose one function is f32x4.relaxed_madd. */
const RELAXED_MADD = Uint8Array.of(
  ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
  ...[1, 5, 1, 0x60, 0, 1, 0x7b], // type: () -> v128
  ...[3, 2, 1, 0], // function 0 is of type 0
  ...[10, 19, 1, 17, 0], // code: one body of 17 bytes, no locals
  ...[0x41, 0, 0xfd, 0x11, 0x41, 0, 0xfd, 0x11, 0x41, 0, 0xfd, 0x11], // three times i32.const 0, i32x4.splat
  ...[0xfd, 0x85, 2, 0x0b],
);
