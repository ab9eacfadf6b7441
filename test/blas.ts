import { type BlasName, filesOf } from "../src/backend/wasm/blas-names.ts";
import { platform } from "../src/platform/node.ts";
import type { BlasTrial } from "../src/platform/platform.ts";

/** The libraries that the tests use: macOS has its own, of Debian and Ubuntu these packages, which .ci/run installs. */
const wanted: readonly BlasName[] =
  ({ linux: ["openblas", "blis"], darwin: ["accelerate"] } as const)[process.platform as string] ?? [];
const packages = "apt-get install libopenblas0-pthread libblis4-openmp libopenblas64-0-serial";

/** Those of them that this machine has. All of them where CI is set: there a missing one is an error. */
export async function installedBlas(): Promise<(BlasTrial & { readonly name: BlasName })[]> {
  const found: (BlasTrial & { readonly name: BlasName })[] = [];
  for (const name of wanted) {
    const trial = await platform.tryBlas({ libraries: filesOf(name), threads: 1, timed: false });
    if (typeof trial !== "string") found.push({ name, ...trial });
    else if (process.env.CI) throw new Error(`The tests need ${name} (${packages}): ${trial}`);
  }
  return found;
}
