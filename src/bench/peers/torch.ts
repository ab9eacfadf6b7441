/** PyTorch in the user's Python, training a model of the same shape: one process, idle while others are measured. */

import { type ChildProcessByStdio, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { messageOf } from "../../errors.ts";
import type { GPT2Config } from "../../model/config.ts";
import { median } from "../comparison.ts";
import { stepsPerRound } from "../steps.ts";
import { threadsOf } from "../table.ts";
import { avx2Kernels } from "./openblas.ts";
import { missing, type PeerContext, type PeerProgram } from "./peer.ts";
import { torchScript } from "./torch-script.ts";

interface Answer {
  readonly version?: string;
  /** Of BLAS and the like, with their versions, as PyTorch's configuration names them. */
  readonly libraries?: readonly string[];
  readonly threads?: number;
  readonly capability?: string;
  readonly device?: string;
  readonly times?: readonly number[];
  readonly error?: string;
}

/**
 * glibc returns large blocks of memory to the system at once, which then zeroes every activation and gradient of PyTorch
 * again. Keeping the memory made PyTorch 1.13 three times as fast, and 2.15 a tenth faster.
 */
export const keepMemory = {
  MALLOC_MMAP_THRESHOLD_: String(2 ** 32),
  MALLOC_TRIM_THRESHOLD_: String(2 ** 34),
  MALLOC_TOP_PAD_: String(2 ** 28),
};

/** 256-bit vectors, as in WebAssembly, in its own kernels and in each library that a build of it may use. */
export const vectorsOf256 = {
  ATEN_CPU_CAPABILITY: "avx2",
  MKL_ENABLE_INSTRUCTIONS: "AVX2",
  ONEDNN_MAX_CPU_ISA: "AVX2",
  OPENBLAS_CORETYPE: avx2Kernels,
};

/** The device on which it computes. */
type Place = "cpu" | "gpu";

export async function torch(
  name: string,
  python: string | undefined,
  environment: Readonly<Record<string, string>>,
  { threads }: PeerContext,
  place: Place = "cpu",
): Promise<PeerProgram> {
  const program = python ?? "python3";
  const child = new Python(program, threads, environment, place);
  let hello: Answer;
  try {
    hello = await child.answer();
    if (hello.error !== undefined) throw new Error(hello.error);
  } catch (error) {
    return missing(
      name,
      "step",
      `${program} has no working torch (${messageOf(error)}): pip install torch, or give ${name}:PYTHON`,
    );
  }
  const { version, libraries = [], threads: used, capability, device } = hello;
  const facts = [
    `PyTorch ${version}`,
    ...(place === "gpu" ? [device] : [used === undefined ? "" : threadsOf(used), capability, ...libraries]),
    ...Object.entries(environment).map((pair) => pair.join("=")),
  ];
  return {
    peer: { name, kind: "step", description: facts.filter(Boolean).join(", "), missing: false },
    step({ L, NH, C, V, Vp, maxT }: GPT2Config, B: number, T: number) {
      const run = async (steps: number) => {
        const { times, error } = await child.ask({ L, NH, C, V, Vp, maxT, B, T, steps });
        if (!times) throw new Error(error ?? "it gave no times");
        return times;
      };
      const steps = stepsPerRound(C, B * T);
      return {
        name,
        isPeer: true,
        // The first steps allocate.
        warmUp: async () => {
          await run(3);
        },
        measure: async () => median((await run(1 + steps)).slice(1)),
      };
    },
    dispose: async () => child.end(),
  };
}

class Python {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #lines: AsyncIterator<string>;
  #complaint = "";

  constructor(program: string, threads: number, environment: Readonly<Record<string, string>>, place: Place) {
    // No other processor's kernels, unless `environment` asks for them.
    const inherited = Object.entries(process.env).filter(([key]) => !key.startsWith("OPENBLAS_"));
    const env = { ...Object.fromEntries(inherited), OMP_NUM_THREADS: String(threads), ...environment };
    this.#child = spawn(program, ["-c", torchScript, String(threads), place], { env, stdio: ["pipe", "pipe", "pipe"] });
    this.#child.on("error", (error) => {
      this.#complaint = error.message;
    });
    // The process may end before it has read its input.
    this.#child.stdin.on("error", () => {});
    this.#child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#complaint = text.trim().split("\n").at(-1) ?? "";
    });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** Next line of output. */
  async answer(): Promise<Answer> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(this.#complaint || "it ended");
    return JSON.parse(value);
  }

  ask(job: Readonly<Record<string, number>>): Promise<Answer> {
    this.#child.stdin.write(`${JSON.stringify(job)}\n`);
    return this.answer();
  }

  end(): void {
    this.#child.kill();
  }
}
