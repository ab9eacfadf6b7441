import { BackendError, UsageError } from "../../errors.ts";
import type { Backend } from "../backend.ts";
import { problemOfOthers, problemOfProducts } from "../check.ts";
import type { BackendOptions } from "../entry.ts";
import type { WasmBackend } from "./backend.ts";
import { choiceKey, keepTile, recallTile } from "./choice-cache.ts";
import { compileCode } from "./code.ts";
import { type Place, placeOf, startBackend } from "./start.ts";
import { bySpeed, timeTiles } from "./trial.ts";
import { type Code, codes, type Tile, tiles, variantOf } from "./variants.ts";

/** A backend on WebAssembly kernels, with worker threads. BackendError if it cannot be had here. */
export async function createWasmBackend(options: BackendOptions = {}): Promise<Backend> {
  const { revectorize, kernel = "auto" } = options;
  const place = placeOf(options.shared, options.threads);
  const forced = kernel === "auto" ? undefined : variantOf(kernel);
  if (forced?.wide && revectorize === false)
    throw new UsageError(`${kernel} needs 256-bit vectors, which --no-revectorize (revectorize: false) refuses.`);

  const problems: string[] = [];
  for (const code of forced ? [forced] : codes.filter(({ wide }) => !wide || revectorize)) {
    const found = await attempt(code, place, forced?.tile);
    if (typeof found !== "string") return found;
    problems.push(forced ? found : `${code.build}, ${code.wide ? 256 : 128}-bit: ${found}`);
  }
  if (forced) throw new BackendError(`The kernel ${kernel} cannot be used here: ${problems[0]}. ${ASK}`);
  throw new BackendError(
    `No kernel computes right on this machine (${problems.join("; ")}). The reference backend does, slowly ` +
      "(llm-ts train --backend reference). Please report this, with what llm-ts info --system prints.",
  );
}

const ASK = "llm-ts info --system shows those that can; --kernel auto takes the fastest of them.";

/** A backend on this code that computes right, or why there is none. */
async function attempt(code: Code, place: Place, tile?: Tile): Promise<WasmBackend | string> {
  const compiled = await compileCode(code, place.shared);
  if (typeof compiled === "string") return compiled;
  const backend = await startBackend({ ...code, tile: tile ?? tiles[0] }, compiled, place);
  const problem = await settle(backend, choiceKey(code, compiled), tile).catch(asProblem);
  if (problem === undefined) return backend;
  await backend.dispose();
  return problem;
}

/** Lets the backend use the fastest tile that computes right, or says what is wrong with all. */
async function settle(backend: WasmBackend, key: string, forced?: Tile): Promise<string | undefined> {
  const known = forced ?? (await recallTile(key));
  const order = forced ? [forced] : known ? new Set([known, ...tiles]) : bySpeed(await timeTiles(backend));
  const problem = await problemOfOthers(backend);
  if (problem !== undefined) return problem;
  const problems: string[] = [];
  for (const tile of order) {
    backend.useTile(tile);
    const problem = await problemOfProducts(backend);
    if (problem === undefined) {
      if (tile !== known) await keepTile(key, tile);
      return undefined;
    }
    problems.push(`${tile}: ${problem}`);
  }
  return problems.join(", ");
}

/** A kernel that fails is as bad as one that computes wrong. */
function asProblem(error: unknown): string {
  if (error instanceof BackendError) return error.message;
  throw error;
}
