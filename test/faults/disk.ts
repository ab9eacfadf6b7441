import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { result, run, start, written } from "../run-cli.ts";
import type { Fault } from "./faults.ts";
import { isDone, lastCheckpoint } from "./lab.ts";

/** Mounts a file system of `kilobytes` for the duration of a test. */
export async function onSmallDisk(folder: string, kilobytes: number, use: () => Promise<void>): Promise<void> {
  mkdirSync(folder);
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${kilobytes}k`, "tmpfs", folder]);
  try {
    await use();
  } finally {
    execFileSync("umount", [folder]);
  }
}

function whyNoMount(): string | false {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "needs Linux, as root, to mount a small tmpfs";
  try {
    execFileSync("unshare", ["--mount", "true"], { stdio: "ignore" });
    return false;
  } catch {
    return "this container may not mount a small tmpfs";
  }
}

export const noMount = whyNoMount();

/** The three checkpoints of the lab's model that a run has at the same time fit, with some space left. */
const kilobytes = 4000;

/** Fills the remaining space, except for a log. */
export function fill(path: string): void {
  try {
    writeFileSync(path, new Uint8Array(8e6));
  } catch {
    // The disk is full.
  }
  truncateSync(path, statSync(path).size - 100_000);
}

export const diskFaults: readonly Fault[] = [
  {
    name: "disk full until the end",
    what: "the run says so and continues, older checkpoints stay, exit 1; with more room, resumed",
    quick: 1,
    full: 5,
    skip: noMount,
    async attempt(lab, number) {
      const disk = lab.newPath();
      await onSmallDisk(disk, kilobytes, async () => {
        const path = join(disk, "run");
        const child = start(lab.args(path));
        const ended = result(child);
        await written(child.stdout, '"event":"checkpoint"');
        fill(join(disk, "filler"));
        const { code, stdout, stderr } = await ended;
        // On a busy machine it may be done before the disk is full.
        if (isDone(path)) return this.attempt(lab, number);
        assert.equal(code, 1, stderr);
        assert.match(stderr, /could not be saved: .*the disk is full.*The run continues/);
        assert.match(stderr, /error: The end of the run could not be saved/);
        const saved = lastCheckpoint(stdout);
        assert.ok(saved >= 3 && saved < 40, `the last checkpoint was that of step ${saved}`);
        assert.ok(!readdirSync(path).some((file) => file.endsWith(".tmp")), "a temporary file was left");
        execFileSync("mount", ["-o", "remount,size=8m", disk]);
        const { stderr: said } = await lab.finishAlike(path);
        assert.match(said, new RegExp(`after ${saved} updates`));
      });
    },
  },
  {
    name: "no room for a run",
    what: "a run whose checkpoints do not fit is refused before it starts, with what is missing",
    quick: 1,
    full: 1,
    skip: noMount,
    async attempt(lab) {
      const disk = lab.newPath();
      await onSmallDisk(disk, 1000, async () => {
        const { code, stderr } = await run(lab.args(join(disk, "run")));
        assert.equal(code, 1, stderr);
        assert.match(
          stderr,
          /MB are needed, and the disk has .* left\. Make room, or keep fewer checkpoints \(--keep 1\)/,
        );
        assert.ok(!existsSync(join(disk, "run")), "a folder was left");
        await lab.finish([...lab.args(join(disk, "run")), "--keep", "1"]);
      });
    },
  },
  {
    name: "disk full for a while",
    what: "checkpoint and log fail, room is made while it runs: the end is saved, nothing of the log is missing",
    quick: 0,
    full: 5,
    skip: noMount,
    async attempt(lab) {
      const disk = lab.newPath();
      await onSmallDisk(disk, kilobytes, async () => {
        const path = join(disk, "run");
        const filler = join(disk, "filler");
        const child = start(lab.args(path));
        const ended = result(child);
        await written(child.stdout, '"event":"checkpoint"');
        fill(filler);
        await written(child.stderr, "could not be saved");
        rmSync(filler);
        const { code, stderr } = await ended;
        assert.equal(code, 0, stderr);
        await lab.finishAlike(path);
      });
    },
  },
];
