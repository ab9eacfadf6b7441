/** Training in several processes under mpirun, on every MPI that is installed. */
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { name, seen, sha256 } from "./faults/lab.ts";
import { fixturePath } from "./fixtures.ts";
import { allGone, launch, mpis, nanOn, otherThan, problemOfMpi, runOn } from "./mpi.ts";
import { root } from "./nodes.ts";
import { run, testFolder, writeTokens } from "./run-cli.ts";

const folder = testFolder();
const updates = 24;
const model = "-e custom --layers 2 --heads 2 --channels 32 --vocab 101".split(" ");
/** Accumulation, clipping, weight decay, a schedule; rows are those of all processes together. */
const args = (processes: number, order: string, ...more: readonly string[]) => [
  "train",
  ...model,
  ...`-b ${4 / processes} -t 8 -d 64 -x ${updates} -v 8 -m 3 -s 10 -g 6 -l 3e-3 -k cosine -u 3 -c 0.1`.split(" "),
  ...["--grad-clip", "1", "-i", "train_*.bin", "-j", "val.bin", "--order", order, "--json"],
  ...(more.includes("-o") ? ["-n", "6"] : []),
  ...more,
];

beforeAll(() => {
  for (const [i, count] of [400, 300, 500].entries()) writeTokens(join(folder, `train_${i}.bin`), count, 101);
  writeTokens(join(folder, "val.bin"), 300, 101);
});

test("Open MPI and MPICH are there where everything is to be tested", () => {
  if (process.env.CI) expect(problemOfMpi).toBeUndefined();
});

interface Kill {
  readonly rank: number;
  /** Updates of the checkpoint after which it comes. */
  readonly after: number;
  /** A run to resume. */
  readonly from?: string;
}

interface Line {
  readonly event: string;
  readonly step: number;
  readonly loss: number;
  readonly norm?: number;
  readonly bitsPerByte?: number;
}

const linesOf = (path: string): Line[] =>
  readFileSync(path, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
const lossesOf = (run: string) =>
  linesOf(join(folder, run, "metrics.jsonl"))
    .filter(({ event }) => event === "step" || event === "val")
    .map(({ loss }) => loss);
const modelOf = (run: string, step = updates) => sha256(join(folder, run, `model_${name(step)}.bin`));
const stateOf = (run: string, step = updates) => sha256(join(folder, run, `state_${name(step)}_00000.bin`));
/** Position in the data, updates and all else of an optimizer state but the moments. */
const headerOf = (run: string, step = updates) =>
  readFileSync(join(folder, run, `state_${name(step)}_00000.bin`)).subarray(0, 1024);

/** Losses of one process. */
const alone = new Map<string, Promise<readonly number[]>>();
async function trainedAlone(order: string): Promise<readonly number[]> {
  const known =
    alone.get(order) ??
    (async () => {
      const { code, stderr } = await run(args(1, order, "-o", `alone-${order}`), { cwd: folder });
      expect(stderr).not.toContain("error");
      expect(code).toBe(0);
      return lossesOf(`alone-${order}`);
    })();
  alone.set(order, known);
  return known;
}

/** The first five updates within 1e-6, all within 1e-5: sums in another order, and what grows of it. */
function expectAlike(found: readonly number[], expected: readonly number[]): void {
  expect(found).toHaveLength(expected.length);
  for (const [i, loss] of found.entries()) expect(Math.abs(loss - expected[i])).toBeLessThan(i < 6 ? 1e-6 : 1e-5);
}

describe.each(mpis)("$name", { timeout: 180_000 }, (mpi) => {
  const start = (processes: number, list: readonly string[], options = {}) =>
    runOn(mpi, processes, list, { cwd: folder, ...options });

  test.each(["f32", "int8"])(
    "an adapter on weights in %s is trained and resumed as in one process",
    async (weights) => {
      const base = fixturePath("gpt2_tiny.bin");
      const line = (processes: number, out: string) => [
        ...[
          "train",
          "-e",
          base,
          "--lora-rank",
          "4",
          "--weights",
          weights,
          "-i",
          "train_*.bin",
          "-j",
          "val.bin",
          "--json",
        ],
        ...`-b ${4 / processes} -t 8 -x 8 -v 4 -m 3 -s 0 -n 4 -l 3e-3`.split(" "),
        ...["-o", out],
      ];
      const [one, two] = ["one", "two"].map((count) => `${mpi.name}-lora-${weights}-${count}`);
      expect((await run(line(1, one), { cwd: folder })).code).toBe(0);
      const { code, stderr } = await start(2, line(2, two));
      expect(stderr).not.toContain("error");
      expect(code).toBe(0);
      expectAlike(lossesOf(two), lossesOf(one));
      const adapter = join(folder, two, `adapter_${name(8)}`, "adapter_model.safetensors");
      const before = sha256(adapter);
      rmSync(join(folder, two, `DONE_${name(8)}`));
      expect((await start(2, [...line(2, two), "-y"])).code).toBe(0);
      expect(sha256(adapter)).toBe(before);
    },
  );

  test.each([
    [2, "file"],
    [4, "shuffle"],
    [2, "random"],
  ] as const)("%s processes train as one does, order %s; again, to the bit", async (processes, order) => {
    const runs = ["a", "b"].map((which) => `${mpi.name}-${order}-${which}`);
    for (const out of runs) {
      const { code, stdout, stderr } = await start(processes, args(processes, order, "-o", out));
      expect(stderr).not.toContain("error");
      expect(code).toBe(0);
      expect(stderr).toContain(`${processes} processes, by ${mpi.library}`);
      // Rank 0 alone reports.
      expect(stdout.match(/"event":"done"/g)).toHaveLength(1);
    }
    expectAlike(lossesOf(runs[0]), await trainedAlone(order));
    expect(modelOf(runs[1])).toBe(modelOf(runs[0]));
    expect(headerOf(runs[0])).toEqual(headerOf(`alone-${order}`));
  });

  test.each([2, 4])("-z 1: moments shared out among %s processes change no bit", async (processes) => {
    const runs = [0, 1].map((stage) => `${mpi.name}-${processes}-z${stage}`);
    for (const [stage, out] of runs.entries()) {
      const { code, stderr } = await start(
        processes,
        args(processes, "file", "-o", out, "-x", "8", "-z", String(stage)),
      );
      expect(stderr).not.toContain("error");
      expect(code).toBe(0);
    }
    expect(lossesOf(runs[1])).toEqual(lossesOf(runs[0]));
    expect(modelOf(runs[1], 8)).toBe(modelOf(runs[0], 8));
    expect(stateOf(runs[1], 8)).toBe(stateOf(runs[0], 8));
  });

  test("-z 1: resumes with 4 processes and whole moments what 2 began with shared ones, then with one, then with 2", async () => {
    const expected = await trainedAlone("shuffle");
    const out = `${mpi.name}-shared`;
    const until = (steps: number, ...more: readonly string[]) => [
      ...["train", "-o", out, "-y", "-x", String(steps), "--force", "--json", ...more],
    ];
    const results = [
      await start(2, args(2, "shuffle", "-o", out, "-x", "6", "-z", "1")),
      await start(4, until(12, "-z", "0")),
      await run(until(18), { cwd: folder }),
      await start(2, until(updates, "-z", "1")),
    ];
    for (const { code, stderr } of results) expect(code, stderr).toBe(0);
    expect(lossesOf(out).slice(0, 6)).toEqual(expected.slice(0, 6).map((loss) => expect.closeTo(loss, 5)));
    expect(headerOf(out)).toEqual(headerOf("alone-shuffle"));
  });

  test("-z 1 with a backend that passes its tensors by reading and writing, and a model that was only made", async () => {
    const runs = [0, 1].map((stage) => `${mpi.name}-reference-z${stage}`);
    for (const [stage, out] of runs.entries()) {
      const reference = ["-x", "4", "-o", out, "--backend", "reference", "-z", String(stage)];
      const { code, stderr } = await start(2, args(2, "file", ...reference));
      expect(code, stderr).toBe(0);
    }
    expect(modelOf(runs[1], 4)).toBe(modelOf(runs[0], 4));
    expect(stateOf(runs[1], 4)).toBe(stateOf(runs[0], 4));
    const none = `${mpi.name}-none`;
    const { code, stderr } = await start(
      2,
      args(2, "file", "-x", "0", "-k", "constant", "-u", "0", "-o", none, "-z", "1"),
    );
    expect(code, stderr).toBe(0);
    expect(stateOf(none, 0)).toHaveLength(64);
  });

  test("bits per byte count the text of all processes", async () => {
    const text = join(folder, `text-${mpi.name}.txt`);
    writeFileSync(text, "Les années passent ; 山 reste là, über alles.\n".repeat(40));
    const data = `text-${mpi.name}`;
    expect((await run(["prepare", text, "--tokenizer", "char", "-o", data], { cwd: folder })).code).toBe(0);
    const bitsPerByte = async (processes: number) => {
      const out = `${mpi.name}-bytes-${processes}`;
      const settings = `-b ${4 / processes} -t 8 -x 2 -v 1 -m 3 -s 0`.split(" ");
      const list = ["train", ...model.slice(0, -2), "-i", data, ...settings, "-o", out, "--json"];
      const { code, stderr } = await (processes === 1 ? run(list, { cwd: folder }) : start(processes, list));
      expect(code, stderr).toBe(0);
      const validations = linesOf(join(folder, out, "metrics.jsonl")).filter(({ event }) => event === "val");
      return validations.map(({ bitsPerByte }) => bitsPerByte ?? 0);
    };
    const expected = await bitsPerByte(1);
    expect(expected).toHaveLength(3);
    expect(await bitsPerByte(2)).toEqual(expected.map((bits) => expect.closeTo(bits, 5)));
  });

  test("--grad-dtype bf16 gives all the same weights, is recorded, and kept by a resume", async () => {
    const out = `${mpi.name}-bf16`;
    const { code, stderr } = await start(2, args(2, "file", "-o", out, "-x", "6", "--grad-dtype", "bf16"));
    // At each checkpoint the weights of all processes are compared.
    expect(code, stderr).toBe(0);
    const [found, expected] = [lossesOf(out), await trainedAlone("file")];
    expect(found.slice(0, 2)).toEqual(expected.slice(0, 2).map((loss) => expect.closeTo(loss, 5)));
    expect(found).not.toEqual(expected.slice(0, found.length));
    const run = ["train", "-o", out, "-y", "-x", "8", "--json"];
    const refused = await start(2, [...run, "--grad-dtype", "fp32"]);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain("--grad-dtype: bf16, now fp32");
    const resumed = await start(4, [...run, "--force"]);
    expect(resumed.code, resumed.stderr).toBe(0);
    const { run: settings } = JSON.parse(readFileSync(join(folder, out, "config.json"), "utf8"));
    expect(settings).toMatchObject({ gradDtype: "bf16", steps: 8 });
  });

  test("a backend whose memory is not this process's passes its tensors by reading and writing", async () => {
    const out = `${mpi.name}-reference`;
    const { code, stderr } = await start(2, args(2, "file", "-x", "5", "-o", out, "--backend", "reference"));
    expect(stderr).not.toContain("error");
    expect(code).toBe(0);
    const one = await run(args(1, "file", "-x", "5", "-o", `${out}-alone`, "--backend", "reference"), { cwd: folder });
    expect(one.code).toBe(0);
    expectAlike(lossesOf(out), lossesOf(`${out}-alone`));
  });

  /** A run one of whose processes is killed after a checkpoint; started once more where it was done before. */
  async function killed(processes: number, path: string, { rank, after, from }: Kill) {
    for (let attempt = 0; ; attempt++) {
      const out = `${path}-${attempt}`;
      if (from !== undefined) cpSync(join(folder, from), join(folder, out), { recursive: true });
      const started = launch(mpi, processes, args(processes, "shuffle", "-o", out, "-y"), { cwd: folder });
      await seen(started.child.stdout, (event, step) => event === "checkpoint" && step === after);
      started.kill(rank, "SIGKILL");
      const { code, stderr } = await started.ended;
      await allGone(started);
      if (existsSync(join(folder, out, `DONE_${name(updates)}`))) continue;
      expect(code).not.toBe(0);
      return { out, stderr };
    }
  }

  test("resumes with 4 processes what 2 began, and with one what 4 went on with", async () => {
    const expected = await trainedAlone("shuffle");
    const begun = await killed(2, `${mpi.name}-begun`, { rank: 1, after: 6 });
    const { out, stderr } = await killed(4, `${mpi.name}-resumed`, { rank: 0, after: 18, from: begun.out });
    expect(stderr).toMatch(/resuming .* after (6|12|18) updates/);
    const last = await run(["train", "-o", out, "-y", "--json"], { cwd: folder });
    expect(last.code).toBe(0);
    expect(last.stderr).toMatch(/resuming .* after (18|24) updates/);
    expectAlike(lossesOf(out), expected);
    expect(headerOf(out)).toEqual(headerOf("alone-shuffle"));
  });

  test("a batch that cannot be divided among the processes of a resume is refused", async () => {
    await trainedAlone("file");
    const { code, stderr } = await start(3, ["train", "-o", "alone-file", "-y", "-x", "30", "--force"]);
    expect(code).toBe(2);
    expect(stderr).toContain("has 4 rows, which 3 processes cannot share equally. Resume it with 1, 2 or 4 processes.");
    expect(stderr.match(/error:/g)).toHaveLength(1);
    const other = await start(2, ["train", "-o", "alone-file", "-y", "-b", "3", "--force"]);
    expect(other.code).toBe(2);
    expect(other.stderr).toContain("--batch (rows in each of 2 processes): 2, now 3.");
  });

  test("a library of another MPI is refused", async () => {
    const { code, stderr } = await start(2, args(2, "file", "--mpi", otherThan(mpi).library));
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /\[rank [01] of 2 on .*\] error: .* started 2 processes, and .* sees 1: the library belongs/,
    );
  });

  test("a library that is none is refused", async () => {
    const { code, stderr } = await start(2, args(2, "file", "--mpi", "libm.so.6"));
    expect(code).toBe(1);
    expect(stderr).toContain("it is no MPI library: it has no MPI_Allreduce");
  });

  test("a total batch that the processes cannot make is refused, once", async () => {
    const { code, stderr } = await start(2, args(2, "file", "-d", "48"));
    expect(code).toBe(2);
    expect(stderr).toContain("processes * B * T = 2 * 2 * 8 = 32. The nearest that can: 32 or 64.");
    expect(stderr.match(/error:/g)).toHaveLength(1);
  });

  test("different options are named", async () => {
    const others = { args: args(2, "file", "-l", "0.5") };
    const { code, stderr } = await start(2, args(2, "file"), { others });
    expect(code).toBe(2);
    expect(stderr).toMatch(/\[rank 1 of 2 on .*\] This process differs from rank 0 .*: --lr is 0.5, and 0.003 there/);
  });

  test.each([
    ["--resume is true, and not given there", args(2, "file", "--resume", "-o", "none")],
    ['command is "eval", and "train" there', ["eval", "--model", fixturePath("gpt2_tiny.bin"), "--hellaswag"]],
  ])("%s: refused before any process waits for another", async (message, other) => {
    const { code, stderr } = await start(2, args(2, "file"), { others: { args: other } });
    expect(code).toBe(2);
    expect(stderr).toMatch(/\[rank 1 of 2 on .*\] This process differs from rank 0/);
    expect(stderr).toContain(message);
  });

  test("different versions are named", async () => {
    const other = join(folder, `other-${mpi.name}`);
    mkdirSync(other);
    for (const part of ["dist", "kernels", "data"]) cpSync(join(root, part), join(other, part), { recursive: true });
    symlinkSync(join(root, "node_modules"), join(other, "node_modules"));
    const about = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    writeFileSync(join(other, "package.json"), JSON.stringify({ ...about, version: "9.9.9" }));
    const others = { program: join(other, "dist", "cli", "main.js") };
    const { code, stderr } = await start(2, args(2, "file"), { others });
    expect(code).toBe(2);
    expect(stderr).toContain(`version is "9.9.9", and "${about.version}" there`);
  });

  test("different data is named", async () => {
    const elsewhere = join(folder, `data-${mpi.name}`);
    mkdirSync(elsewhere);
    for (const [i, count] of [400, 300, 500].entries()) writeTokens(join(elsewhere, `train_${i}.bin`), count, 99);
    writeTokens(join(elsewhere, "val.bin"), 300, 101);
    const place = [mpi.folder, elsewhere];
    const { code, stderr } = await start(2, args(2, "file"), { others: {}, place });
    expect(code).toBe(1);
    expect(stderr).toMatch(/\[rank 1 of 2 on .*\] The data is not that of rank 0 .*train_0.bin has other content than/);
  });

  test("a token outside the vocabulary in the rows of one process ends all", async () => {
    const path = join(folder, "bad.bin");
    writeTokens(path, 1000, 101);
    const bytes = readFileSync(path);
    // In the second half of the fourth batch of 4 x 8 tokens: row 3 is the last of rank 1.
    bytes.writeUInt16LE(500, 1024 + 2 * (3 * 32 + 28));
    writeFileSync(path, bytes);
    const { code, stderr } = await start(2, args(2, "file", "-i", path, "-o", `bad-${mpi.name}`));
    expect(code).not.toBe(0);
    expect(stderr).toMatch(
      /\[rank 1 of 2 on .*\] error: .*bad.bin: token 500 at position 124 is not in the model's vocab/,
    );
  });

  test("NaN in the gradients of one process stops all before the update, and the run resumes from its checkpoint", async () => {
    const out = `${mpi.name}-nan`;
    const list = args(2, "file", "-o", out);
    const { code, stderr } = await start(2, list, { env: nanOn(mpi, 8) });
    expect(code).toBe(1);
    expect(stderr.match(/error: /g)).toHaveLength(1);
    expect(stderr).toMatch(
      /error: In step 7 the norm of the gradients is NaN, .*the weights are those after 7 updates/,
    );
    const again = await start(2, [...list, "-y"]);
    expect(again.code, again.stderr).toBe(0);
    expect(again.stderr).toContain("after 6 updates");
    expectAlike(lossesOf(out), await trainedAlone("file"));
  });

  test("--on-nan skip makes no update where one process has NaN, in none of them", async () => {
    const list = args(2, "file", "-o", `${mpi.name}-skip`, "--on-nan", "skip");
    // At each checkpoint the weights of all processes are compared.
    const { code, stdout, stderr } = await start(2, list, { env: nanOn(mpi, 8) });
    expect(code, stderr).toBe(0);
    const lines = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines.filter(({ skipped }) => skipped === "nan")).toMatchObject([{ event: "step", step: 7 }]);
    expect(lines.at(-1)).toMatchObject({ event: "done", step: updates, skipped: 1 });
  });

  test("mistakes in the arguments are reported once, and bench measures one process", async () => {
    for (const [list, message] of [
      [["train", "--bogus"], "unknown option '--bogus'"],
      [["bench", "--quick"], "started 2 processes, which would disturb each other's measurements. Add --group"],
      [
        ["bench", "--group", "--profile"],
        "--profile has no effect here: --group measures steps and sums alone. Leave it out.",
      ],
    ] as const) {
      const { code, stderr } = await start(2, list);
      expect(code).toBe(2);
      expect(stderr).toContain(message);
      expect(stderr.match(/error: /g)).toHaveLength(1);
    }
  });

  test("a run folder that rank 0 cannot write ends all, with one message", async () => {
    const file = join(folder, `file-${mpi.name}`);
    writeFileSync(file, "");
    const { code, stderr } = await start(2, args(2, "file", "-o", file));
    expect(code).toBe(1);
    expect(stderr).toMatch(/error: \[rank 0 of 2 on .*\] .* is a file, where a run folder is expected/);
    expect(stderr.match(/error:/g)).toHaveLength(1);
  });

  const cores = availableParallelism();
  test.skipIf(cores >= 4)("more processes than cores get a hint", async () => {
    const { code, stderr } = await start(4, args(4, "file", "-x", "3"));
    expect(code).toBe(0);
    expect(stderr).toContain(`hint: 4 processes share ${cores} cores, which is slower than ${cores} processes.`);
  });
});

/** Stands for ssh: runs its command here, under the name of the host that it is for, which only root may do. */
const standIn = `#!/bin/bash
while [[ $1 == -* ]]; do shift; done
host=$1
shift
exec unshare --uts bash -c "hostname node-\${host##*.}; $*"
`;

const noHosts = whyNoHosts();

function whyNoHosts(): string {
  try {
    execFileSync("unshare", ["--uts", "true"], { stdio: "ignore" });
    return "";
  } catch {
    return " (skipped: this machine may not give a process a host name of its own)";
  }
}

describe.skipIf(noHosts).each(mpis)(`two hosts, by name, $name${noHosts}`, { timeout: 120_000 }, (mpi) => {
  const ssh = join(folder, "ssh");
  const hosts = ["127.0.0.2", "127.0.0.3"];
  const remote =
    mpi.name === "Open MPI"
      ? {
          ...mpi,
          options: ["--bind-to", "none", "--mca", "plm_rsh_agent", ssh, "--host", hosts.map((h) => `${h}:1`).join()],
        }
      : { ...mpi, options: ["-launcher", "ssh", "-launcher-exec", ssh, "-hosts", hosts.join()] };
  beforeAll(() => writeFileSync(ssh, standIn, { mode: 0o755 }));

  test("train as one process does", async () => {
    const out = join(folder, `${mpi.name}-hosts`);
    const { code, stderr } = await runOn(remote, 2, args(2, "shuffle", "-o", out), { cwd: folder });
    expect(stderr).not.toContain("error");
    expect(code).toBe(0);
    expectAlike(lossesOf(`${mpi.name}-hosts`), await trainedAlone("shuffle"));
  });

  test("an error says on which one it is", async () => {
    const path = join(folder, `far-${mpi.name}.bin`);
    writeTokens(path, 1000, 101);
    const bytes = readFileSync(path);
    bytes.writeUInt16LE(500, 1024 + 2 * (3 * 32 + 28));
    writeFileSync(path, bytes);
    const { code, stderr } = await runOn(remote, 2, args(2, "file", "-i", path), { cwd: folder });
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/\[rank 1 of 2 on node-3\] error: .*token 500/);
  });
});

test.each([
  ["--mpi", "libmpi.so.40"],
  ["--group-timeout", "60"],
])("%s without a launcher is refused", async (...option) => {
  const { code, stderr } = await run(args(1, "file", ...option), { cwd: folder });
  expect(code).toBe(2);
  expect(stderr).toContain(
    `${option[0]} has no effect here: no launcher started this process. Start several (mpirun -np 2 `,
  );
});

test("-z 1 with one process is refused", async () => {
  const { code, stderr } = await run(args(1, "file", "-z", "1"), { cwd: folder });
  expect(code).toBe(2);
  expect(stderr).toContain("--zero-stage 1 (-z 1) several processes share AdamW's moments out, and this is one.");
});

test.skipIf(mpis.length === 0)("a launcher without koffi gets a sentence", async () => {
  const hook =
    'export async function resolve(name, context, next) { if (name === "koffi") { const e = new Error("none"); ' +
    'e.code = "ERR_MODULE_NOT_FOUND"; throw e; } return next(name, context); }';
  const register = `import { register } from "node:module"; register("data:text/javascript," + ${JSON.stringify(encodeURIComponent(hook))});`;
  const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(register)}` };
  const { code, stderr } = await runOn(mpis[0], 2, args(2, "file"), { cwd: "/tmp", env });
  expect(code).toBe(1);
  expect(stderr).toContain("MPI cannot be called here: it needs the package koffi: npm install koffi.");
});
