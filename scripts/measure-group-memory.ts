/**
 * Memory of each process of a data-parallel run, with and without `-z 1`: the largest resident set, as the system counts it.
 *
 *     node --conditions=source scripts/measure-group-memory.ts d12 2 4
 */
import { mpis, runOn } from "../test/mpi.ts";

const [model = "d6", ...counts] = process.argv.slice(2);
const report =
  'import { isMainThread } from "node:worker_threads"; if (isMainThread && process.env.LLM_TS_TEST) process.on("exit", () => ' +
  'process.stderr.write("largest resident set: " + process.resourceUsage().maxRSS + " kB of " + process.argv[2] + "\\n"));';
const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(report)}` };
const args = ["train", "-e", model, "-b", "1", "-t", "64", "-x", "3", "-v", "0", "-s", "0"];

for (const count of counts.length > 0 ? counts.map(Number) : [2])
  for (const zero of ["0", "1"]) {
    const { code, stderr } = await runOn(mpis[0], count, [...args, "-d", String(64 * count), "-z", zero], { env });
    const sets = [...stderr.matchAll(/largest resident set: (\d+) kB of train/g)].map(([, kB]) => Number(kB) / 1e6);
    if (code !== 0 || sets.length !== count) throw new Error(stderr);
    const all = sets.sort((a, b) => b - a).map((gigabytes) => gigabytes.toFixed(2));
    console.log(`${model}, ${count} processes, -z ${zero}: ${all.join(", ")} GB`);
  }
