import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { cli } from "../nodes.ts";
import { run, writeTokens } from "../run-cli.ts";
import type { Fault } from "./faults.ts";
import { contents, type Lab, orders } from "./lab.ts";

/** Damage to a shard between two starts, and the expected message. */
const shardFaults: readonly [harm: (shard: string) => void, says: RegExp][] = [
  [(shard) => rmSync(shard), /train_1\.bin is gone/],
  [flipToken, /train_1\.bin has other content than .*sha256/],
  [(shard) => writeTokens(shard, 301, 101), /train_1\.bin has 1626 bytes, and .* had 1624/],
];

function flipToken(shard: string): void {
  const bytes = readFileSync(shard);
  bytes[1024 + 200] ^= 1;
  writeFileSync(shard, bytes);
}

async function changeData(lab: Lab, number: number): Promise<void> {
  const data = lab.newPath();
  cpSync(lab.data, data, { recursive: true });
  const path = await lab.killedRun("shuffle", data);
  // What a killed writer leaves, every start removes.
  for (const file of readdirSync(path)) if (file === "run.lock" || file.endsWith(".tmp")) rmSync(join(path, file));
  const shard = join(data, "train_1.bin");
  const [harm, says] = shardFaults[number % shardFaults.length];
  harm(shard);
  const before = contents(path);
  const { code, stderr } = await run(["train", "-o", path, "-y"]);
  assert.equal(code, 1, stderr);
  assert.match(stderr, says);
  assert.deepEqual(contents(path), before, "something in the run folder was touched");
  cpSync(join(lab.data, "train_1.bin"), shard);
  await lab.finishAlike(path);
}

/** A loss that is NaN or infinite: the learning rate of one start is far too large. */
async function blowUp(lab: Lab): Promise<void> {
  const path = await lab.killedRun();
  const { code, stderr } = await run(["train", "-o", path, "-y", "-l", "1e38", "-n", "0", "--force", "--json"]);
  assert.equal(code, 1, stderr);
  assert.match(stderr, /the first tensor that is not finite is the (weight|gradient)|The validation loss is NaN/);
  await lab.finishAlike(path, "shuffle", "-l", "1e-4", "--force");
}

const jumpingClock = `
const years = 365 * 24 * 3600e3;
const jump = () => (Math.random() - 0.5) * 20 * years;
const RealDate = Date;
globalThis.Date = class extends RealDate {
  constructor(...args) { super(...(args.length > 0 ? args : [RealDate.now() + jump()])); }
  static now() { return RealDate.now() + jump(); }
};`;

async function jumpClock(lab: Lab, number: number): Promise<void> {
  const order = orders[number % orders.length];
  const script = join(lab.folder, "jumping-clock.mjs");
  writeFileSync(script, jumpingClock);
  const env = { NODE_OPTIONS: `--import=${pathToFileURL(script)}` };
  const { events, log, model } = await lab.uninterrupted(order);
  assert.deepEqual(await lab.finish(lab.args(lab.newPath(), order), env), { events, log, model });
  const path = await lab.killedRun(order);
  assert.deepEqual(await lab.finish([...lab.args(path, order), "-y"], env), { events, log, model });
}

/** Something else at the path of a run folder: it is refused and unchanged. */
async function refuseFolder(lab: Lab, number: number): Promise<void> {
  const path = lab.newPath();
  if (number % 2 === 0) {
    writeFileSync(path, "a file");
    for (const more of [[], ["-y"]]) {
      const { code, stderr } = await run([...lab.args(path), ...more]);
      assert.equal(code, 1);
      assert.match(stderr, /is a file, where a run folder is expected/);
    }
    assert.equal(readFileSync(path, "utf8"), "a file");
    return;
  }
  mkdirSync(path);
  writeFileSync(join(path, "config.json"), '{"version":99,"created":"2030-01-01T00:00:00.000Z"}');
  const before = contents(path);
  const { code, stderr } = await run([...lab.args(path), "-y"]);
  assert.equal(code, 1);
  assert.match(stderr, /"version" is 99, expected 1/);
  assert.deepEqual(contents(path), before);
}

/** Root may write anywhere, so these cases run as the user nobody. */
const nobody = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};

function noNobody(): string | false {
  const { status } = spawnSync(process.execPath, [cli, "--version"], nobody);
  return status !== 0 && "the user nobody, which replaces root here, may not enter the folder of the program";
}

async function readOnlyFolder(lab: Lab): Promise<void> {
  const path = await lab.killedRun();
  rmSync(join(path, "run.lock"));
  const before = contents(path);
  const { mode } = statSync(path);
  chmodSync(path, 0o555);
  try {
    chmodSync(lab.folder, 0o755);
    const { status, stderr } = spawnSync(process.execPath, [cli, "train", "-o", path, "-y"], {
      encoding: "utf8",
      ...nobody,
    });
    assert.equal(status, 1, stderr);
    assert.match(stderr, /permission denied/);
  } finally {
    chmodSync(path, mode);
  }
  assert.deepEqual(contents(path), before);
  await lab.finishAlike(path);
}

export const surroundingFaults: readonly Fault[] = [
  {
    name: "loss is NaN",
    what: "stops before the update and names the tensor, exit 1; resumed from the last checkpoint with the old rate",
    quick: 1,
    full: 5,
    attempt: blowUp,
  },
  {
    name: "data changed between runs",
    what: "a shard vanishes, has one other bit, or grows: refused, file by file; put back, resumed",
    quick: 1,
    full: 9,
    attempt: changeData,
  },
  {
    name: "clock jumps",
    what: "every look at the time is off by up to ten years either way: nothing depends on it",
    quick: 0,
    full: 6,
    attempt: jumpClock,
  },
  {
    name: "run folder unusable",
    what: "it is a file, or of a later version: refused, untouched",
    quick: 2,
    full: 4,
    attempt: refuseFolder,
  },
  {
    name: "run folder read-only",
    what: "refused, untouched; writable again, resumed",
    quick: 1,
    full: 3,
    skip: process.platform === "win32" ? "Windows has other permissions" : noNobody(),
    attempt: readOnlyFolder,
  },
];
