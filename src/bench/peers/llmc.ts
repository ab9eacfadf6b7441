/**
 * llm.c's `train_gpt2`, built by the user, on a checkpoint and tokens of llm.ts. File names and batch (B=4, T=64) are fixed
 * in the program, so it runs in a temporary folder with files of those names. It is started each round, and killed once it
 * has printed the times of enough steps.
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { constants, rmSync } from "node:fs";
import { access, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import type { GPT2 } from "../../api/gpt2.ts";
import { save } from "../../format/save.ts";
import { TokenWriter } from "../../format/tokens.ts";
import type { GPT2Config } from "../../model/config.ts";
import { syntheticTokens } from "../../model/synthetic-step.ts";
import { makeFolder } from "../../platform/node-folders.ts";
import { median } from "../comparison.ts";
import { missing, type PeerContext, type PeerProgram } from "./peer.ts";

const B = 4;
const T = 64;
const folderOfTokens = "dev/data/tinyshakespeare";
/** Enough for five validation batches and for all steps. */
const TOKENS = 64 * B * T + 1;

export async function llmc(
  name: string,
  path: string | undefined,
  { threads, steps, d12 }: PeerContext,
): Promise<PeerProgram> {
  if (path === undefined)
    return missing(name, "step", "give the program that you built: --against llmc:PATH/train_gpt2");
  const program = resolve(path);
  try {
    await access(program, constants.X_OK);
  } catch {
    return missing(name, "step", `${path} is not executable: build it in llm.c with "make train_gpt2"`);
  }
  let folder: string | undefined;
  const removeFolder = () => {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  };
  process.on("exit", removeFolder);
  return {
    peer: { name, kind: "step", description: `${path}, OMP_NUM_THREADS=${threads}`, missing: false },
    step(config: GPT2Config, stepB: number, stepT: number) {
      if (config.L !== 12 || config.C !== 768 || stepB !== B || stepT !== T) return undefined;
      return {
        name,
        isPeer: true,
        async warmUp() {
          const model = d12();
          if (!model) throw new Error("there is no d12 model to run it on");
          folder = await mkdtemp(join(tmpdir(), "llm-ts-bench-"));
          await layOut(folder, model);
        },
        measure: async () => median(await stepTimes(program, folder ?? ".", threads, steps)),
      };
    },
    async dispose() {
      removeFolder();
      process.off("exit", removeFolder);
    },
  };
}

/** The files of the program, without a tokenizer: it prints token ids then. */
async function layOut(folder: string, model: GPT2): Promise<void> {
  await model.save(join(folder, "gpt2_124M.bin"));
  await makeFolder(join(folder, folderOfTokens));
  for (const split of ["train", "val"])
    await save(join(folder, folderOfTokens, `tiny_shakespeare_${split}.bin`), async (sink) => {
      const writer = await TokenWriter.create(sink, 2);
      await writer.write(syntheticTokens(TOKENS, model.config.V));
      await writer.finish();
    });
}

/** Milliseconds of `count` steps after the first one. */
async function stepTimes(program: string, folder: string, threads: number, count: number): Promise<number[]> {
  // C programs buffer output to a pipe; stdbuf, where installed, flushes every line.
  const child =
    (await launch("stdbuf", ["-oL", program], folder, threads)) ?? (await launch(program, [], folder, threads));
  if (!child) throw new Error(`${program} cannot be started`);
  const times: number[] = [];
  let last = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    last = text.trim() || last;
  });
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      last = line || last;
      const [, step, ms] = /^step (\d+): .*\(took ([\d.]+) ms\)/.exec(line) ?? [];
      if (ms !== undefined && Number(step) > 0) times.push(Number(ms));
      if (times.length >= count) return times;
    }
  } finally {
    child.kill("SIGKILL");
  }
  throw new Error(`it ended after ${times.length} steps; last output: ${last}`);
}

/** The running program; undefined if it cannot be started. */
function launch(
  program: string,
  args: readonly string[],
  cwd: string,
  threads: number,
): Promise<ChildProcessByStdio<null, Readable, Readable> | undefined> {
  const env = { ...process.env, OMP_NUM_THREADS: String(threads) };
  const child = spawn(program, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  return new Promise((resolve) => {
    child.once("spawn", () => resolve(child));
    child.once("error", () => resolve(undefined));
  });
}
