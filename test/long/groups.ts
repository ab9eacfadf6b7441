/**
 * `baby` in several processes against one: `npm run long-test:groups`, some minutes, with Open MPI and MPICH; `-- shuffle random` takes
 * these orders alone.
 *
 * 200 updates of 2 x 12 rows on tiny Shakespeare, clipped, in every order, with 2 and 4 processes of each MPI: losses within 1e-6
 * in the first five updates and 1e-5 in all, and the same command again with the same weights to the bit.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { name, orders, sha256 } from "../faults/lab.ts";
import { mpis, problemOfMpi, runOn } from "../mpi.ts";
import { type Result, run } from "../run-cli.ts";

const updates = 200;
const rows = 12;
const folder = mkdtempSync(join(tmpdir(), "llm-ts-groups-"));
const asked = process.argv.slice(2);
const chosen = asked.length > 0 ? orders.filter((order) => asked.includes(order)) : orders;
if (chosen.length < asked.length) throw new Error(`${asked.join(" ")}: choose among ${orders.join(", ")}`);
let failures = 0;

function check(what: string, difference: number, bound: number): void {
  const okay = difference <= bound;
  if (!okay) failures++;
  console.log(`${okay ? "ok  " : "FAIL"} ${what}: ${difference.toExponential(2)} (at most ${bound})`);
}

const args = (processes: number, order: string, out: string) => [
  ...["train", "--model", "baby", "-b", String(rows / processes), "-t", "64", "-d", String(2 * rows * 64)],
  ...["-x", String(updates), "-v", "100", "-m", "2", "-s", "0", "-n", "100", "--order", order, "-o", join(folder, out)],
  ...["--threads", "1"],
];

const losses = (out: string) =>
  readFileSync(join(folder, out, "metrics.jsonl"), "utf8")
    .split("\n")
    .filter((line) => line.includes('"event":"step"'))
    .map((line): number => JSON.parse(line).loss);

function requireDone({ code, stderr }: Result): void {
  if (code !== 0) throw new Error(stderr);
}

try {
  if (problemOfMpi) throw new Error(problemOfMpi);
  for (const order of chosen) {
    requireDone(await run(args(1, order, `${order}-1`)));
    const expected = losses(`${order}-1`);
    for (const mpi of mpis)
      for (const processes of [2, 4]) {
        const [first, second] = ["a", "b"].map((which) => `${order}-${processes}-${mpi.name}-${which}`);
        for (const out of [first, second]) requireDone(await runOn(mpi, processes, args(processes, order, out)));
        const found = losses(first);
        const differences = expected.map((loss, i) => Math.abs(loss - found[i]));
        const title = `${mpi.name}, ${processes} processes, order ${order}`;
        check(`${title}, updates`, Math.abs(found.length - updates), 0);
        check(`${title}, first five updates`, Math.max(...differences.slice(0, 5)), 1e-6);
        check(`${title}, all updates`, Math.max(...differences), 1e-5);
        const [a, b] = [first, second].map((out) => sha256(join(folder, out, `model_${name(updates)}.bin`)));
        check(`${title}, again`, a === b ? 0 : 1, 0);
      }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(failures === 0 ? "all within their bounds" : `${failures} failed`);
process.exitCode = failures === 0 ? 0 : 1;
