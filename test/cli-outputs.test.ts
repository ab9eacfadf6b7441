/** Outputs that fail: a full disk, a reader that has gone, a closed output. */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { fixturePath } from "./fixtures.ts";
import { cli } from "./nodes.ts";
import { result, start, testFolder, writeTokens, written } from "./run-cli.ts";

const cwd = testFolder();
const env = { LLM_TS_CACHE: join(cwd, "cache") };
const tiny = fixturePath("gpt2_tiny.bin");
const train = `train -e "${tiny}" -i train.bin -j val.bin -b 2 -t 8 -x 30 -v 10 -s 0`;

beforeAll(() => {
  writeTokens(join(cwd, "train.bin"), 3000, 101);
  writeTokens(join(cwd, "val.bin"), 1000, 101);
});

/** Runs a shell command line after `llm-ts`, redirections included; `code` is that of llm-ts, also in a pipeline. */
function shell(command: string) {
  const program = `"${process.execPath}" "${cli}"`;
  const script = `${program} ${command}; exit "\${PIPESTATUS[0]}"`;
  const { status, stdout, stderr } = spawnSync("bash", ["-c", script], {
    cwd,
    env: { ...process.env, ...env },
    encoding: "utf8",
  });
  return { code: status, stdout, stderr };
}

const isWhole = (folder: string) => existsSync(join(cwd, folder, "DONE_00000030"));
/** The steps that a run logged. */
const steps = (folder: string) =>
  readFileSync(join(cwd, folder, "metrics.jsonl"), "utf8").match(/"event":"step"/g)?.length;

describe.skipIf(!existsSync("/dev/full"))("a full disk at standard output", () => {
  test("a run continues to its end, says so, and exits with 1", () => {
    const { code, stderr } = shell(`${train} -o full > /dev/full`);
    expect(stderr).toContain(
      "standard output cannot be written (its disk is full): the run continues, and its numbers are in full/metrics.jsonl\n",
    );
    expect(stderr.match(/cannot be written/g)).toHaveLength(1);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect([code, isWhole("full"), steps("full")]).toEqual([1, true, 30]);
  });

  test.each([
    "train -e TINY -i train.bin -b 2 -t 8 -x 5",
    "train --json -e TINY -i train.bin -b 2 -t 8 -x 5",
    "generate --model TINY --json -g 2",
    "info TINY",
    "info TINY --json",
    "encode hello",
    "decode 15496 --tokenizer gpt2",
    "runs .",
    "eval train.bin --model TINY",
    "verify --help",
    "--version",
  ])("%s says so, and ends with 1", (command) => {
    const { code, stderr } = shell(`${command.replace("TINY", `"${tiny}"`)} > /dev/full`);
    expect(stderr).toMatch(/^error: standard output cannot be written \(its disk is full\)/m);
    expect(stderr).not.toMatch(/\n\s+at |mistake in llm-ts/);
    expect(code).toBe(1);
  });

  test("what standard error cannot take changes nothing", () => {
    const { code, stdout } = shell(`${train} -o no-errors 2> /dev/full`);
    expect([code, isWhole("no-errors")]).toEqual([0, true]);
    expect(stdout).toContain("step 29: train loss");
    expect(shell("encode hello 2> /dev/full")).toMatchObject({ code: 0, stdout: "31373\n" });
    expect(shell("encode 2> /dev/full").code).toBe(2);
    expect(shell("info nowhere > /dev/full 2> /dev/full").code).toBe(1);
  });
});

describe.skipIf(process.platform === "win32")("a reader that goes", () => {
  test("a run continues without it, says so, and exits with 1", () => {
    const { code, stdout, stderr } = shell(`${train} -x 300 -c 0 -o head | head -n 1`);
    expect(stdout).toBe("[GPT-2]\n");
    expect(stderr).toContain("standard output is closed: the run continues");
    expect([code, steps("head")]).toEqual([1, 300]);
    expect(readdirSync(join(cwd, "head"))).toContain("DONE_00000300");
  });

  test("other commands end, without a word", () => {
    expect(shell(`generate --model "${tiny}" -g 3000 | head -c 5`)).toMatchObject({
      code: 0,
      stderr: expect.any(String),
    });
    expect(shell("--help | head -n 1")).toMatchObject({ code: 0, stderr: "" });
  });

  test("that of standard error changes nothing", async () => {
    const child = start(["train", "-e", tiny, "-i", "train.bin", "-b", "2", "-t", "8", "-x", "30", "-o", "deaf"], {
      cwd,
      env,
    });
    child.stderr.destroy();
    child.stdout.resume();
    child.stdin.end();
    const code = await new Promise((resolve) => child.on("exit", resolve));
    expect([code, isWhole("deaf")]).toEqual([0, true]);
  });

  test("closed outputs are as /dev/null", () => {
    for (const [folder, closed] of [
      ["no-out", ">&-"],
      ["no-err", "2>&-"],
      ["none", ">&- 2>&- <&-"],
    ]) {
      const { code } = shell(`${train} -o ${folder} ${closed}`);
      expect([closed, code, isWhole(folder ?? "")]).toEqual([closed, 0, true]);
    }
    expect(shell(`generate --model "${tiny}" -g 2 >&-`).code).toBe(0);
  });

  test("the end of the terminal (SIGHUP) saves a run, as Ctrl-C does", async () => {
    const args = ["train", "-e", tiny, "-i", "train.bin", "-b", "2", "-t", "8", "-x", "100000", "-o", "hung-up"];
    const child = start(args, { cwd, env });
    const step = written(child.stdout, "step 3:");
    const done = result(child);
    await step;
    child.kill("SIGHUP");
    expect((await done).code).toBe(129);
    expect(readdirSync(join(cwd, "hung-up")).some((name) => name.startsWith("DONE_"))).toBe(true);
  });
});
