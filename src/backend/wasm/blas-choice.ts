/** The choice of a BLAS: one by name or path, or the fastest; each is tried in a process of its own before it is used. */
import { platform } from "#platform";
import { BackendError } from "../../errors.ts";
import type { BlasTrial } from "../../platform/platform.ts";
import { ResultCache } from "../../platform/result-cache.ts";
import type { Blas } from "../backend.ts";
import { type BackendOptions, type BlasCandidate, fastestOf } from "../entry.ts";
import { blasNames, filesOf, isBlasName } from "./blas-names.ts";
import { threadConfig } from "./start.ts";

/** The BLAS that the options ask for; undefined for none. BackendError with the reason when it cannot be used. */
export async function chooseBlas(options: BackendOptions): Promise<Blas | undefined> {
  const { blas = "none" } = options;
  if (blas === "none") return undefined;
  if (blas === "auto") return fastestBlas(options);
  const found = await tryFiles(filesOf(blas), options, false);
  if (typeof found !== "string") return blasOf(isBlasName(blas) ? blas : found.library, found);
  throw new BackendError(
    `The BLAS ${blas} cannot be used: ${found}. llm-ts info --system shows those that can; without a BLAS the kernels ` +
      "multiply by themselves.",
  );
}

/** The known library that makes the backend fastest; undefined where none makes it faster. */
async function fastestBlas(options: BackendOptions): Promise<Blas | undefined> {
  const kept = await recallBlas(options);
  let candidates = [...kept];
  const others = blasNames.filter((name) => !kept.some((candidate) => candidate.name === name));
  for (const [i, name] of others.entries()) {
    options.onStart?.("measuring libraries", i / others.length);
    candidates.push(await measure(name, options));
  }
  if (others.length > 0) options.onStart?.("measuring libraries", 1);
  for (;;) {
    const best = fastestOf(candidates);
    if (!best) return undefined;
    const found = kept.includes(best) ? await tryFiles(filesOf(best.name), options, false) : best.trial;
    if (typeof found !== "string") return blasOf(best.name, found);
    candidates = candidates.filter((candidate) => candidate !== best); // it was removed since it was measured
  }
}

function blasOf(name: string, { library, description }: BlasTrial): Blas {
  return { name, library, description };
}

// Looked up at each call, so that tests can mock the platform.
const cache = new ResultCache("blas", {
  recall: (name) => platform.recall(name),
  remember: (name, text) => platform.remember(name, text),
});

/** Everything that a library's speed relative to the kernels depends on. */
function keyOf(name: string, options: BackendOptions): string {
  const { revectorize = false, kernel = "auto" } = options;
  const { threads } = threadConfig(options.shared, options.threads);
  return `${name} beside ${kernel}, ${revectorize ? 256 : 128}-bit, ${threads} threads, ${platform.engine()}`;
}

/** Tries and times all libraries that are known by name; those that can be used are kept for a month. */
export async function surveyBlas(options: BackendOptions): Promise<BlasCandidate[]> {
  const candidates: BlasCandidate[] = [];
  for (const name of blasNames) candidates.push(await measure(name, options)); // not at once: they are timed
  return candidates;
}

async function measure(name: string, options: BackendOptions): Promise<BlasCandidate> {
  const found = await tryFiles(filesOf(name), options, true);
  if (typeof found === "string") return { name, problem: found };
  await cache.keep(keyOf(name, options), JSON.stringify(found));
  return { name, trial: found };
}

/** The libraries that were measured on this machine in the last month. */
export async function recallBlas(options: BackendOptions): Promise<BlasCandidate[]> {
  const kept = await Promise.all(blasNames.map((name) => cache.recall(keyOf(name, options))));
  return kept.flatMap((text, i) => {
    const trial = parsed(text);
    return trial ? [{ name: blasNames[i], trial }] : [];
  });
}

/** Undefined for a cache that was edited. */
function parsed(text = ""): BlasTrial | undefined {
  try {
    const trial: BlasTrial = JSON.parse(text);
    return trial.gain > 0 ? trial : undefined;
  } catch {
    return undefined;
  }
}

async function tryFiles(libraries: readonly string[], options: BackendOptions, timed: boolean) {
  // Without koffi there is nothing to try, in this process or another.
  const foreign = await platform.openForeign();
  if (typeof foreign === "string") return foreign;
  const { revectorize, kernel } = options;
  const { threads } = threadConfig(options.shared, options.threads);
  return platform.tryBlas({ libraries, threads, revectorize, kernel, timed });
}
