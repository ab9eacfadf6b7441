/** Faults of runs that several processes train together under mpirun, on every MPI that is installed. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { allGone, type Launched, launch, type Mpi, mpis, nanOn, problemOfMpi, runOn } from "../mpi.ts";
import { writeTokens, written } from "../run-cli.ts";
import { fill, noMount, onSmallDisk } from "./disk.ts";
import type { Fault } from "./faults.ts";
import { isDone, type Lab, lastCheckpoint, type Outcome, outcomeOf, seen } from "./lab.ts";

const processes = 2;
/** Seconds after which a process that waits for another one ends all. */
const timeout = 8;

/** The lab's run, each process taking one of the two rows of a batch. */
const argsOf = (lab: Lab, out: string) => [...lab.args(out), "-b", "1", "--group-timeout", String(timeout)];

const uninterrupted = new Map<string, Promise<Outcome>>();

function outcomeWithout(lab: Lab, mpi: Mpi): Promise<Outcome> {
  const key = `${mpi.name} ${lab.folder}`;
  const make = async () => {
    const path = lab.newPath();
    const { code, stderr } = await runOn(mpi, processes, argsOf(lab, path));
    assert.equal(code, 0, stderr);
    return outcomeOf(path);
  };
  const known = uninterrupted.get(key) ?? make();
  uninterrupted.set(key, known);
  return known;
}

/**
 * Starts a run, does something to it after a few updates, and waits for the end: never with code 0, and nobody stays. Once
 * more where the run was done before it was reached, as happens on a busy machine.
 */
async function disturb(
  lab: Lab,
  mpi: Mpi,
  harm: (run: Launched) => void,
  after: (stderr: string) => void = () => {},
  more: readonly string[] = [],
): Promise<void> {
  const path = lab.newPath();
  const args = [...argsOf(lab, path), ...more];
  const run = launch(mpi, processes, args);
  const at = 4 + lab.pick(12);
  await seen(run.child.stdout, (event, step) => event === "step" && step === at);
  harm(run);
  const { code, stdout, stderr } = await run.ended;
  await allGone(run);
  if (isDone(path)) return disturb(lab, mpi, harm, after, more);
  assert.notEqual(code, 0, stderr);
  after(stderr);
  const saved = lastCheckpoint(stdout);
  const again = await runOn(mpi, processes, [...args, "-y"]);
  assert.equal(again.code, 0, again.stderr);
  const resumedAt = Number(/resuming .* after (\d+) updates/.exec(again.stderr)?.[1] ?? 0);
  assert.ok(resumedAt >= saved, `${saved} updates were saved: ${again.stderr}`);
  assert.deepEqual(outcomeOf(path), await outcomeWithout(lab, mpi));
}

const signals = (mpi: Mpi): readonly Fault[] => [
  {
    name: `${mpi.name}: kill -9 of a rank`,
    what: "the launcher ends the other, never with 0; resumed",
    quick: 1,
    full: 10,
    attempt: (lab) => disturb(lab, mpi, (run) => run.kill(1, "SIGKILL")),
  },
  {
    name: `${mpi.name}: kill -9 of rank 0`,
    what: "the same, and its lock is taken over; resumed",
    quick: 1,
    full: 10,
    attempt: (lab) => disturb(lab, mpi, (run) => run.kill(0, "SIGKILL")),
  },
  {
    name: `${mpi.name}: kill -9 with -z 1`,
    what: "of a rank that holds a part of AdamW's moments, and of rank 0: resumed, to the bits of a run without -z 1",
    quick: 1,
    full: 10,
    attempt: (lab, number) =>
      disturb(lab, mpi, (run) => run.kill((number + 1) % processes, "SIGKILL"), undefined, ["-z", "1"]),
  },
  {
    name: `${mpi.name}: kill -9 of mpirun`,
    what: "no process stays; resumed",
    quick: 1,
    full: 10,
    attempt: (lab) => disturb(lab, mpi, (run) => run.child.kill("SIGKILL")),
  },
  {
    name: `${mpi.name}: Ctrl-C`,
    what: "SIGINT to mpirun: all end, never with 0; resumed",
    quick: 1,
    full: 10,
    attempt: (lab) => disturb(lab, mpi, (run) => run.child.kill("SIGINT")),
  },
  {
    name: `${mpi.name}: SIGTERM`,
    what: "to mpirun: all end, never with 0; resumed",
    quick: 1,
    full: 10,
    attempt: (lab) => disturb(lab, mpi, (run) => run.child.kill("SIGTERM")),
  },
  {
    name: `${mpi.name}: SIGTERM to one rank`,
    what: "all stop after the same update, save, and end with 143; resumed",
    quick: 1,
    full: 10,
    attempt: (lab, number) => disturb(lab, mpi, (run) => run.kill(number % processes, "SIGTERM")),
  },
  {
    name: `${mpi.name}: a rank that hangs`,
    what: `stopped for ever: the other waits ${timeout} s, says what for, and ends both; resumed`,
    quick: 1,
    full: 10,
    attempt: (lab, number) =>
      disturb(
        lab,
        mpi,
        (run) => run.kill(number % processes, "SIGSTOP"),
        (stderr) => assert.match(stderr, /error: waited 8 s for the other processes \(--group-timeout\), for \S/),
      ),
  },
];

const others = (mpi: Mpi): readonly Fault[] => [
  {
    name: `${mpi.name}: a bad token on one rank`,
    what: "in the rows of the last process: all end, never with 0, and the token is named",
    quick: 1,
    full: 10,
    async attempt(lab, number) {
      const data = join(lab.folder, `bad-${number}-${mpi.name}.bin`);
      writeTokens(data, 1000, 101);
      const bytes = readFileSync(data);
      const batch = 15 + number; // of update 7 and later: batches are fetched ahead
      bytes.writeUInt16LE(500, 1024 + 2 * (batch * 16 + 12));
      writeFileSync(data, bytes);
      const path = lab.newPath();
      const run = launch(mpi, processes, [...argsOf(lab, path), "-i", data, "--order", "file"]);
      const { code, stdout, stderr } = await run.ended;
      assert.notEqual(code, 0, stderr);
      assert.match(stderr, /\[rank 1 of 2 on .*\] error: .*token 500 at position \d+ is not in the model's vocabulary/);
      assert.ok(lastCheckpoint(stdout) >= 3, stdout);
      await allGone(run);
    },
  },
  {
    name: `${mpi.name}: NaN on one rank`,
    what: "in the gradients of the last process: all stop before the update and end with 1; resumed",
    quick: 1,
    full: 10,
    async attempt(lab, number) {
      const path = lab.newPath();
      const run = launch(mpi, processes, argsOf(lab, path), { env: nanOn(mpi, 8 + number) });
      const { code, stderr } = await run.ended;
      assert.equal(code, 1, stderr);
      assert.match(stderr, new RegExp(`error: In step ${7 + number} the norm of the gradients is NaN`));
      await allGone(run);
      const again = await runOn(mpi, processes, [...argsOf(lab, path), "-y"]);
      assert.equal(again.code, 0, again.stderr);
      assert.deepEqual(outcomeOf(path), await outcomeWithout(lab, mpi));
    },
  },
  ...["0", "1"].map((stage) => fullDisk(mpi, ["-z", stage])),
];

const fullDisk = (mpi: Mpi, more: readonly string[]): Fault => ({
  name: `${mpi.name}: full disk on rank 0, ${more.join(" ")}`,
  what: "the run says so and continues, older checkpoints stay, all end with 1; with more room, resumed",
  quick: 1,
  full: 10,
  skip: noMount,
  async attempt(lab, number) {
    const disk = lab.newPath();
    await onSmallDisk(disk, 4000, async () => {
      const path = join(disk, "run");
      const run = launch(mpi, processes, [...argsOf(lab, path), ...more]);
      await written(run.child.stdout, '"event":"checkpoint"');
      fill(join(disk, "filler"));
      const { code, stderr } = await run.ended;
      if (isDone(path)) return this.attempt(lab, number);
      assert.notEqual(code, 0, stderr);
      assert.match(stderr, /could not be saved: .*the disk is full.*The run continues/);
      assert.match(stderr, /error: .*The end of the run could not be saved/);
      await allGone(run);
      writeFileSync(join(disk, "filler"), "");
      await wait(10);
      const again = await runOn(mpi, processes, [...argsOf(lab, path), ...more, "-y"]);
      assert.equal(again.code, 0, again.stderr);
      assert.deepEqual(outcomeOf(path), await outcomeWithout(lab, mpi));
    });
  },
});

const missing: Fault = {
  name: "several processes",
  what: "faults of runs under mpirun",
  quick: 1,
  full: 1,
  skip: problemOfMpi,
  async attempt() {},
};

export const groupFaults: readonly Fault[] =
  mpis.length === 0 ? [missing] : mpis.flatMap((mpi) => [...signals(mpi), ...others(mpi)]);
