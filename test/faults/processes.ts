import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import { result, run, start, written } from "../run-cli.ts";
import type { Fault } from "./faults.ts";
import { type Lab, lastCheckpoint, name, orders, outcomeOf, seen, steps } from "./lab.ts";

const noSignals = process.platform === "win32" && "Windows has no signals to send to another process";

/** The signal arrives during updates; the run must save, and exit with the code of the signal. */
async function interrupt(lab: Lab, number: number, signal: "SIGINT" | "SIGTERM", code: number): Promise<void> {
  const order = orders[number % orders.length];
  const path = lab.newPath();
  const child = start(lab.args(path, order));
  const ended = result(child);
  const at = 1 + lab.pick(12);
  await seen(child.stdout, (event, step) => event === "step" && step === at);
  child.kill(signal);
  const { code: found, stdout, stderr } = await ended;
  assert.equal(found, code, stderr);
  const made = stdout.match(/"event":"step"/g)?.length ?? 0;
  assert.ok(made < steps, "the signal came too late");
  assert.ok(readdirSync(path).includes(`DONE_${name(made)}`), `step ${made} was not saved`);
  assert.ok(!readdirSync(path).includes("run.lock"));
  const { stderr: said } = await lab.finishAlike(path, order);
  assert.match(said, new RegExp(`resuming .* after ${made} updates`));
}

/** Killed again and again until the run is done: each child lives a random time, from before its start to its end. */
let killed: { path: string; order: (typeof orders)[number]; saved: number } | undefined;

async function killAtRandom(lab: Lab, number: number): Promise<void> {
  const order = killed?.order ?? orders[number % orders.length];
  killed ??= { path: lab.newPath(), order, saved: 0 };
  const { path, saved } = killed;
  const { ms } = await lab.uninterrupted(order);
  for (;;) {
    const child = start([...lab.args(path, order), "-y", "--threads", `${1 + lab.pick(2)}`]);
    const ended = result(child);
    await Promise.race([wait(lab.pick(1.05 * ms)), ended]);
    const wasKilled = child.kill("SIGKILL");
    const { code, stdout, stderr } = await ended;
    const resumedAt = Number(/resuming .* after (\d+) updates/.exec(stderr)?.[1] ?? 0);
    // A child that has reported its resume must not have lost a reported checkpoint.
    if (/resuming .* after|begins/.test(stderr))
      assert.ok(resumedAt >= saved, `${saved} updates were saved: ${stderr}`);
    killed.saved = Math.max(saved, lastCheckpoint(stdout));
    if (wasKilled && code === null) return;
    // It came to its end before it could be killed.
    assert.equal(code, 0, stderr);
    const { events, log, model } = await lab.uninterrupted(order);
    assert.deepEqual(outcomeOf(path), { events, log, model });
    killed = undefined;
    return killAtRandom(lab, number + 1);
  }
}

/** Resumes the last killed run to its end. */
async function finishKilled(lab: Lab): Promise<void> {
  if (!killed) return;
  const { path, order } = killed;
  killed = undefined;
  await lab.finish([...lab.args(path, order), "-y"]);
  const { events, log, model } = await lab.uninterrupted(order);
  assert.deepEqual(outcomeOf(path), { events, log, model });
}

export const processFaults: readonly Fault[] = [
  {
    name: "SIGINT",
    what: "the step is finished, a checkpoint written, exit 130; resumed",
    quick: 1,
    full: 12,
    skip: noSignals,
    attempt: (lab, number) => interrupt(lab, number, "SIGINT", 130),
  },
  {
    name: "SIGTERM",
    what: "the same, exit 143; resumed",
    quick: 1,
    full: 12,
    skip: noSignals,
    attempt: (lab, number) => interrupt(lab, number, "SIGTERM", 143),
  },
  {
    name: "a second signal",
    what: "ends at once, exit 130, whatever is being written; resumed",
    quick: 1,
    full: 12,
    skip: noSignals,
    async attempt(lab) {
      const path = lab.newPath();
      const child = start(lab.args(path));
      const ended = result(child);
      const at = 3 + lab.pick(12);
      await seen(child.stdout, (event, step) => event === "step" && step === at);
      child.kill("SIGINT");
      await wait(lab.pick(5));
      child.kill("SIGINT");
      assert.equal((await ended).code, 130);
      await lab.finishAlike(path);
    },
  },
  {
    name: "kill -9",
    what: "at a random moment, again and again in one run, from before it starts to its end; resumed after each",
    quick: 3,
    full: 50,
    async attempt(lab, number) {
      await killAtRandom(lab, number);
      const last = number + 1 === this.quick || number + 1 === this.full;
      if (last) await finishKilled(lab);
    },
  },
  {
    name: "two runs on one folder",
    what: "the second is refused and names the first, which keeps running; killed, its lock is taken over",
    quick: 1,
    full: 5,
    async attempt(lab) {
      const path = lab.newPath();
      const child = start([...lab.args(path), "-x", "100000"]);
      const ended = result(child);
      await seen(child.stdout, (event, step) => event === "checkpoint" && step >= 3);
      for (const more of [["-y"], []]) {
        const { code, stderr } = await run([...lab.args(path), ...more]);
        assert.equal(code, 1);
        assert.match(stderr, new RegExp(`process ${child.pid} on .* since 2`));
      }
      child.kill("SIGKILL");
      const { stdout } = await ended;
      const next = start(["train", "-o", path, "-y", "--json"]);
      const done = result(next);
      await written(next.stderr, `process ${child.pid} on`);
      await seen(next.stdout, (event) => event === "step");
      next.kill("SIGKILL");
      const { stderr } = await done;
      const at = Number(/after (\d+) updates/.exec(stderr)?.[1]);
      assert.ok(at >= lastCheckpoint(stdout), stderr);
    },
  },
];
