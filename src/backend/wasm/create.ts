import { BackendError, UsageError } from "../../errors.ts";
import type { Backend, Blas } from "../backend.ts";
import { problemOfMatmuls, problemOfOthers } from "../check.ts";
import type { BackendOptions } from "../entry.ts";
import type { WasmBackend } from "./backend.ts";
import { chooseBlas } from "./blas-choice.ts";
import { choiceKey, keepTile, recallTile } from "./choice-cache.ts";
import { compileCode } from "./code.ts";
import { startBackend, type ThreadConfig, threadConfig } from "./start.ts";
import { chooseThreads } from "./thread-trial.ts";
import { bySpeed, timeTiles } from "./trial.ts";
import { type Code, codes, type Tile, tiles, variantOf } from "./variants.ts";

/** A backend on WebAssembly kernels with worker threads. BackendError when no kernel computes correctly here. */
export async function createWasmBackend(options: BackendOptions = {}): Promise<Backend> {
  return createWith(options, await chooseBlas(options));
}

/** The same with a BLAS that was tried already. */
export async function createWith(options: BackendOptions, blas: Blas | undefined): Promise<WasmBackend> {
  const { revectorize, kernel = "auto" } = options;
  const config = { ...threadConfig(options.shared, options.threads), inside: options.wasmMemory };
  const forced = kernel === "auto" ? undefined : variantOf(kernel);
  if (forced?.simd256 && revectorize === false)
    throw new UsageError(`${kernel} needs 256-bit vectors, which --no-revectorize (revectorize: false) refuses.`);

  const problems: string[] = [];
  for (const code of forced ? [forced] : codes.filter(({ simd256 }) => !simd256 || revectorize)) {
    const found = await attempt(code, config, blas, forced?.tile);
    if (typeof found !== "string") return found;
    problems.push(forced ? found : `${code.build}, ${code.simd256 ? 256 : 128}-bit: ${found}`);
  }
  if (forced) throw new BackendError(`The kernel ${kernel} cannot be used here: ${problems[0]}. ${ASK}`);
  throw new BackendError(
    `No kernel computes right on this machine (${problems.join("; ")}). The reference backend does, slowly ` +
      "(llm-ts train --backend reference). Please report this, with what llm-ts info --system prints.",
  );
}

const ASK = "llm-ts info --system shows those that can; --kernel auto takes the fastest of them.";

/** A checked backend on this code, or the problem with it. */
async function attempt(
  code: Code,
  config: ThreadConfig,
  blas: Blas | undefined,
  tile?: Tile,
): Promise<WasmBackend | string> {
  const compiled = await compileCode(code, config.shared);
  if (typeof compiled === "string") return compiled;
  const threads = config.isDefault ? await chooseThreads(code, compiled, config.threads) : config.threads;
  const backend = await startBackend({ ...code, tile: tile ?? tiles[0] }, compiled, { ...config, threads }, blas);
  backend.useBlas(false);
  const problem = await selectTile(backend, choiceKey(code, compiled), tile).catch(asProblem);
  if (problem === undefined && blas) await requireRight(backend, blas);
  if (problem === undefined) return backend;
  await backend.dispose();
  return problem;
}

/** Selects the fastest tile that passes the checks; returns the problems if none does. */
async function selectTile(backend: WasmBackend, key: string, forced?: Tile): Promise<string | undefined> {
  const known = forced ?? (await recallTile(key));
  const order = forced ? [forced] : known ? new Set([known, ...tiles]) : bySpeed(await timeTiles(backend));
  const problem = await problemOfOthers(backend);
  if (problem !== undefined) return problem;
  const problems: string[] = [];
  for (const tile of order) {
    backend.useTile(tile);
    const problem = await problemOfMatmuls(backend);
    if (problem === undefined) {
      if (tile !== known) await keepTile(key, tile);
      return undefined;
    }
    problems.push(`${tile}: ${problem}`);
  }
  return problems.join(", ");
}

/** BackendError, and the backend disposed of, unless it computes right with its BLAS. */
async function requireRight(backend: WasmBackend, { name }: Blas): Promise<void> {
  backend.useBlas(true, 1);
  const problem =
    (await problemOfMatmuls(backend).catch(asProblem)) ?? (await problemOfOthers(backend).catch(asProblem));
  backend.useBlas(true);
  if (problem === undefined) return;
  await backend.dispose();
  throw new BackendError(
    `The BLAS ${name} does not compute right here (${problem}). Without a BLAS the kernels multiply by themselves.`,
  );
}

/** A failure of a kernel counts as a wrong result. */
function asProblem(error: unknown): string {
  if (error instanceof BackendError) return error.message;
  throw error;
}
