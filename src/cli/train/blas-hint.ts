/** Hint at a library of the system that would train faster: once on a machine, since speed is all that it is about. */
import { platform } from "#platform";
import { fastestOf } from "../../backend/entry.ts";
import { defaultBackend, recallBlas, surveyBlas } from "../../backend/registry.ts";
import type { BackendFlags } from "../options/backend.ts";

/** A smaller gain is not worth other bits. */
const WORTHWHILE = 1.15;
/** Libraries are measured, in a second or two, after a run of so many milliseconds. */
const AFTER_MS = 60_000;
const NOTE = "blas-hint";

/** The hint, by what was measured before, or is measured after a run that took `ms`; undefined where there is none to give. */
export async function blasHint(flags: BackendFlags, ms: number): Promise<string | undefined> {
  const { backend, threads, kernel, revectorize, blas } = flags;
  if (backend !== defaultBackend || blas !== "none" || (await platform.recall(NOTE)) !== undefined) return undefined;
  const options = { threads, kernel, revectorize };
  const kept = await recallBlas(options);
  const best = fastestOf(kept.length > 0 || ms < AFTER_MS ? kept : await surveyBlas(options), WORTHWHILE);
  if (!best) return undefined;
  const { name, trial } = best;
  await platform.remember(NOTE, JSON.stringify(name));
  return `--blas ${name} multiplies ${trial.gain.toFixed(2)} times as fast here, with other last bits (${trial.description})`;
}
