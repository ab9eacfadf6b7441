import assert from "node:assert/strict";
import { appendFileSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import type { Fault } from "./faults.ts";
import { type Lab, name, steps } from "./lab.ts";

const files = [`model_${name(steps)}.bin`, `state_${name(steps)}_00000.bin`, `checkpoint_${name(steps)}.json`];

/** A finished run to damage; its last two checkpoints are one update apart. */
let finished: { lab: Lab; path: string } | undefined;

async function damage(lab: Lab, number: number, harm: (path: string, bytes: Buffer) => void): Promise<void> {
  if (finished?.lab !== lab) {
    finished = { lab, path: lab.newPath() };
    await lab.finish(lab.args(finished.path));
  }
  const path = lab.copyOf(finished.path);
  const file = join(path, files[number % files.length]);
  harm(file, readFileSync(file));
  const { stderr } = await lab.finishAlike(path);
  assert.match(stderr, new RegExp(`the checkpoint of step ${steps} cannot be used: .*${files[number % files.length]}`));
  assert.match(stderr, /resuming .* after 39 updates/);
}

export const damageFaults: readonly Fault[] = [
  {
    name: "newest checkpoint truncated",
    what: "model, state or JSON cut at a random byte: noticed, the one before is used",
    quick: 1,
    full: 12,
    attempt: (lab, number) => damage(lab, number, (path, bytes) => truncateSync(path, lab.pick(bytes.length))),
  },
  {
    name: "a flipped bit in it",
    what: "at a random place of model, state or JSON: the sha256 shows it, the one before is used",
    quick: 2,
    full: 30,
    attempt: (lab, number) =>
      damage(lab, number, (path, bytes) => {
        bytes[lab.pick(bytes.length)] ^= 1 << lab.pick(8);
        writeFileSync(path, bytes);
      }),
  },
  {
    name: "a file of it missing",
    what: "model, state or JSON: noticed, the one before is used",
    quick: 1,
    full: 2,
    // Without its JSON a checkpoint counts as llm.c's own, and is used.
    attempt: (lab, number) => damage(lab, number % 2, (path) => rmSync(path)),
  },
  {
    name: "leftovers of a crash",
    what: "half a line in both logs, a temporary file, a lock whose process id another process has now",
    quick: 1,
    full: 5,
    async attempt(lab) {
      const path = await lab.killedRun();
      appendFileSync(join(path, "metrics.jsonl"), '{"event":"step","step":39,"lo');
      appendFileSync(join(path, "main.log"), "s:39 trl:4.1");
      const temporary = join(path, `.model_${name(12)}.bin.0123abcd.tmp`);
      writeFileSync(temporary, "half a model");
      // Only Linux distinguishes two processes of one id; elsewhere it is a damaged lock.
      const owner = { pid: process.pid, host: hostname(), started: "2024-04-08T10:00:00.000Z", process: "another" };
      writeFileSync(join(path, "run.lock"), process.platform === "linux" ? JSON.stringify(owner) : "");
      await lab.finishAlike(path);
      assert.throws(() => readFileSync(temporary), /ENOENT/);
    },
  },
];
