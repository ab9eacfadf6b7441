import { v8Major, v8Minor } from "./node-engine.ts";
import { tryFlags } from "./node-flag-trial.ts";
import { withFlags } from "./node-flags.ts";

/**
 * Relaxed SIMD is standard from V8 11.4 on; 11.3 has it behind a flag. That is the only V8 whose flag is set without a
 * trial: it is Node 20's, which changes no more, and the tests run on it.
 */
const needed = v8Major === 11 && v8Minor === 3 ? ["--experimental-wasm-relaxed-simd"] : [];
/** Every function at once and optimised. Since V8 14 that needs code that never falls back to unoptimised one. */
const eager = ["--no-liftoff", "--no-wasm-lazy-compilation", "--no-wasm-deopt"];
const fuse = "--experimental-wasm-revectorize";
/** Flags for fusing: only optimised code is fused, and only while the flags are set. */
const neededToFuse = ["--no-liftoff", "--no-wasm-lazy-compilation", fuse];

export function problemOfSimd256(): string | undefined {
  // V8 12.4 (Node 22) has the flag too, but fuses nothing. Only x86 has 256-bit vectors.
  return v8Major < 13 || process.arch !== "x64" ? "need V8 13 or later (Node 24) on x86" : undefined;
}

/**
 * Compiles every function, optimised, on all cores, and waits (50 ms for the kernels), with flags of V8 that are set for
 * that alone. Where they cannot be used here, V8 compiles as it does for everyone: fast code comes later, and 256-bit code
 * not at all, of which the reason is returned.
 */
export async function compile(bytes: Uint8Array<ArrayBuffer>, simd256: boolean): Promise<WebAssembly.Module | string> {
  const known = await tryFlags(bytes, [...needed, ...eager, ...(simd256 ? [fuse] : [])]);
  if (typeof known !== "string" && (!simd256 || neededToFuse.every((flag) => known.includes(flag))))
    return withFlags(known, () => new WebAssembly.Module(bytes));
  if (!simd256) return withFlags(needed, () => new WebAssembly.Module(bytes));
  if (known === "aborts")
    return `V8 ${process.versions.v8} ends the process when it compiles them (tried in another one)`;
  if (known === "cannot be tried") return "V8's flags for them could not be tried in a process of its own";
  return `V8 ${process.versions.v8} does not know the flags for them`;
}
