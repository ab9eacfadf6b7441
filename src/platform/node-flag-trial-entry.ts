/** The child process of node-flag-trial.ts: tries V8 flags, which may abort the process, and prints those that V8 has. */
import { readFileSync, writeSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runOperations } from "../backend/check.ts";
import { WasmBackend } from "../backend/wasm/backend.ts";
import { DirectExecutor } from "../backend/wasm/executor.ts";
import { instantiate } from "../backend/wasm/kernels.ts";
import { KernelMemory } from "../backend/wasm/memory.ts";
import { tiles, variants } from "../backend/wasm/variants.ts";
import type { Trial } from "./node-flag-trial.ts";
import { isKnown, withFlags } from "./node-flags.ts";

const { flags, options }: Trial = JSON.parse(process.argv[2] ?? "");
// V8 removes the flags that it recognises.
for (const option of options) if (option.startsWith("--")) setFlagsFromString(option);
const known = flags.filter(isKnown);
const bytes = readFileSync(0);
try {
  await runAll(withFlags(known, () => new WebAssembly.Module(bytes)));
} catch {
  // An exception is not an abort: it is reported where the kernels are used.
}
writeSync(1, JSON.stringify(known));

/** Every operation with every tile, small. Whether they compute right is found out where they are used. */
async function runAll(module: WebAssembly.Module): Promise<void> {
  const { memory, kernels } = instantiateAny(module);
  const backend = new WasmBackend(variants[0], {
    memory,
    executor: new DirectExecutor(kernels, memory.memory),
    kernels,
  });
  for (const tile of tiles) {
    backend.useTile(tile);
    await runOperations(backend);
  }
}

/** The kind of memory that a module imports cannot be read from it. */
function instantiateAny(module: WebAssembly.Module) {
  try {
    const memory = new KernelMemory(true);
    return { memory, kernels: instantiate(module, memory.memory) };
  } catch {
    const memory = new KernelMemory(false);
    return { memory, kernels: instantiate(module, memory.memory) };
  }
}
