/** `llm-ts train` as a program: its lines, events, files, signals and complaints. */
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { fixturePath } from "./fixtures.ts";
import { result, run, start, testFolder, writeTokens, written } from "./run-cli.ts";

const folder = testFolder();
const env = { LLM_TS_CACHE: join(folder, "cache") };
/** V = 101, two layers, 16 positions. */
const tiny = fixturePath("gpt2_tiny.bin");
const data = ["-i", "train.bin", "-j", "val.bin"];

const train = (...args: string[]) => run(["train", ...args], { cwd: folder, env });
const lines = (text: string) => text.trimEnd().split("\n");
const sha256 = (file: string) =>
  createHash("sha256")
    .update(readFileSync(join(folder, file)))
    .digest("hex");

beforeAll(() => {
  writeTokens(join(folder, "train.bin"), 3000, 101);
  writeTokens(join(folder, "val.bin"), 1000, 101);
});

test("prints llm.c's lines, and nothing else on standard output", async () => {
  const { code, stdout, stderr } = await train(
    "-e",
    tiny,
    ...data,
    "-b",
    "2",
    "-t",
    "8",
    "-x",
    "3",
    "-v",
    "2",
    "-s",
    "2",
    "-g",
    "6",
  );
  const number = String.raw`\d+\.\d{6}`;
  const step = (n: number) => new RegExp(`^step ${n}: train loss ${number} \\(took ${number} ms\\)$`);
  const val = new RegExp(`^val loss ${number}$`);
  const expected = [
    ...["[GPT-2]", "max_seq_len: 16", "vocab_size: 101", "padded_vocab_size: 128", "num_layers: 2", "num_heads: 4"],
    ...["channels: 32", "num_parameters: 30080", "train dataset num_batches: 187", "val dataset num_batches: 62"],
    ...[
      /^num_activations: \d+$/,
      val,
      step(0),
      step(1),
      val,
      "generating:",
      "---",
      /^\d+( \d+){4}$/,
      "---",
      step(2),
      val,
    ],
  ];
  expect(lines(stdout)).toEqual(
    expected.map((line) => (typeof line === "string" ? line : expect.stringMatching(line))),
  );
  // Said at the start, and once more at the end.
  expect(stderr).toMatch(/^nothing of this run will be kept: with -o .*Nothing was saved/ms);
  expect(code).toBe(0);
});

test("without options it does what llm.c did: 41 updates, validation every 10, samples every 20", async () => {
  const { stdout } = await train("-e", tiny, ...data);
  const kinds = lines(stdout).map((line) => line.split(" ")[0]);
  const count = (kind: string) => kinds.filter((k) => k === kind).length;
  expect([count("step"), count("val"), count("generating:")]).toEqual([41, 1 + 6, 2]);
  expect(stdout).toContain("step 40: train loss");
});

test("--json prints one object a line", async () => {
  const { code, stdout } = await train(
    "-e",
    tiny,
    ...data,
    "-x",
    "2",
    "-v",
    "2",
    "-s",
    "1",
    "-g",
    "4",
    "-o",
    "json-run",
    "--json",
  );
  const events = lines(stdout).map((line) => JSON.parse(line));
  const kinds = ["val", "step", "sample", "step", "val", "sample", "checkpoint", "done"];
  expect(events.map(({ event }) => event)).toEqual(kinds);
  const number = expect.any(Number);
  expect(events[1]).toEqual({
    event: "step",
    step: 0,
    loss: number,
    lr: 1e-4,
    norm: number,
    ms: number,
    tokensPerSecond: number,
  });
  expect(events[2]).toEqual({ event: "sample", step: 1, tokens: [number, number, number, number], text: "" });
  expect(events[6]).toEqual({ event: "checkpoint", step: 2, path: "json-run/model_00000002.bin" });
  expect(readFileSync(join(folder, "json-run", "metrics.jsonl"), "utf8")).toBe(stdout);
  expect(code).toBe(0);
});

/** The step events of a run. */
async function steps(...args: string[]) {
  const { code, stdout, stderr } = await train(
    "-e",
    tiny,
    ...data,
    "-b",
    "2",
    "-t",
    "8",
    "-v",
    "0",
    "-s",
    "0",
    ...args,
    "--json",
  );
  const events = lines(stdout).map((line) => JSON.parse(line));
  return { code, stderr, steps: events.filter(({ event }) => event === "step"), done: events.at(-1) };
}

test("a total batch takes several batches an update; one epoch is as many updates as it holds", async () => {
  const { steps: updates } = await steps("-d", "480", "-x", "-1");
  // 2,999 tokens are 187 batches of 16; an update takes 30.
  expect(updates).toHaveLength(6);
});

test("schedules, as llm.c names them; a constant rate has no warm-up, and says so where it is chosen", async () => {
  const rates = async (...args: string[]) =>
    (await steps("-x", "5", "-l", "1", "--grad-clip", "1e-9", ...args)).steps.map(({ lr }) => lr);
  expect(await rates("-k", "linear", "-u", "1", "-q", "0.2")).toEqual([1, 1, 0.8, expect.closeTo(0.6, 12), 0.4]);
  expect(await rates("-k", "wsd", "-u", "2")).toEqual([0.5, 1, 1, 1, 1]);
  const { code, stderr } = await steps("-x", "1", "-u", "1", "-k", "constant");
  expect([code, stderr]).toEqual([
    0,
    expect.stringContaining("--warmup has no effect here: the constant schedule has no"),
  ]);
});

test("-a overfits one batch, -a 0 does not", async () => {
  const losses = async (...args: string[]) =>
    (await steps("-x", "3", "-l", "0", ...args)).steps.map(({ loss }) => loss);
  expect(new Set(await losses("-a")).size).toBe(1);
  expect(new Set(await losses("-a", "0")).size).toBe(3);
});

test("--depth makes a model, says what it is, and is resumed", async () => {
  const own = ["-x", "2", "-s", "0", "-m", "1", "--final-val-batches", "1"];
  const { code, stderr } = await train("--depth", "1", ...own, "-o", "runs/");
  expect(code, stderr).toBe(0);
  expect(stderr).toContain(
    "depth 1: 1 layer, 1 head, 64 channels, context 64; 512 tokens an update (8 x 64), learning rate 0.00208",
  );
  const { model, run: settings, given } = JSON.parse(readFileSync(join(folder, "runs/depth1-001/config.json"), "utf8"));
  expect(model).toMatchObject({ name: "depth1", L: 1, NH: 1, C: 64, maxT: 64, V: 65 });
  expect([settings.batch, settings.totalBatch, given.depth]).toEqual([8, 512, 1]);
  const other = await train("--depth", "2", "-o", "runs/depth1-001", "-y", "--force");
  expect([other.code, other.stderr]).toEqual([2, expect.stringMatching(/--depth: 1, now 2\..*cannot change/)]);
  const longer = await train("--depth", "1", "-x", "3", "-o", "runs/depth1-001", "-y", "--force");
  expect(longer.code, longer.stderr).toBe(0);
  expect(longer.stdout).toContain("step 2: train loss");
});

test("--minutes limits a run beside -x, is kept, and says when it is too short", async () => {
  const { code, stderr, done } = await steps("--minutes", "60", "-x", "2", "-k", "cosine", "-o", "timed");
  expect(code, stderr).toBe(0);
  expect(done).toMatchObject({ step: 2, steps: 2, interrupted: false });
  const { run: settings } = JSON.parse(readFileSync(join(folder, "timed/config.json"), "utf8"));
  expect(settings).toMatchObject({ minutes: 60, steps: 2 });
  const again = await steps("--minutes", "90", "-x", "3", "-o", "timed", "-y", "--force");
  expect(again.code, again.stderr).toBe(0);
  expect(again.done).toMatchObject({ step: 3 });
  const tooShort = ["-e", tiny, ...data, "-b", "2", "-t", "8", "--minutes", "1e-7"];
  const short = await train(...tooShort);
  expect(short.code).toBe(2);
  expect(short.stderr).toMatch(
    /The first update, .* took .* s, and the whole run has 1e-7 minutes .* Give it \S+ minutes or more/,
  );
  // Nothing of it is left, and what was there before stays.
  mkdirSync(join(folder, "short"));
  writeFileSync(join(folder, "short/notes.txt"), "mine");
  for (const out of ["short", "new/inner", "numbered/"]) {
    const refused = await train(...tooShort, "-o", out);
    expect(refused.code, refused.stderr).toBe(2);
    expect(refused.stderr).not.toContain("-y --force");
  }
  expect(readdirSync(join(folder, "short"))).toEqual(["notes.txt"]);
  expect(["new", "numbered"].filter((name) => existsSync(join(folder, name)))).toEqual([]);
  const corrected = await steps("-x", "1", "-o", "short");
  expect(corrected.code, corrected.stderr).toBe(0);
  // That of an earlier run stays, checkpoint or not.
  const resumed = await train(...tooShort, "-o", "timed", "-y", "--force");
  expect(resumed.code).not.toBe(0);
  expect(existsSync(join(folder, "timed/config.json"))).toBe(true);
});

test("--early-stop ends a run that gets no better", async () => {
  const { code, stderr, done } = await steps("-x", "20", "-l", "0", "-v", "2", "-m", "1", "--early-stop", "3");
  expect(done).toMatchObject({ event: "done", step: 6, stopped: "early", interrupted: false, bestStep: 0 });
  expect(stderr).toContain("stopped early: no validation was better than that after 0 updates");
  expect(code).toBe(0);
});

test("baby learns the bundled text's characters into a numbered folder, in which generate finds everything", async () => {
  const args = ["-e", "baby", "-o", "runs/", "-x", "6", "-b", "4", "-t", "16", "-m", "2", "-g", "20"];
  const { code, stdout } = await train(...args);
  expect(stdout).toMatch(/vocab_size: 65\n[\s\S]*\ngenerating:\n---\n[\s\S]+\n---\n/);
  expect(code).toBe(0);
  const checkpoint = ["DONE_00000006", "checkpoint_00000006.json", "model_00000006.bin", "state_00000006_00000.bin"];
  const files = [...checkpoint, "config.json", "main.log", "metrics.jsonl", "tokenizer.bin"].sort();
  expect(readdirSync(join(folder, "runs/baby-001")).sort()).toEqual(files);
  // Beside it only the choice of kernels, where there is one.
  expect(readdirSync(env.LLM_TS_CACHE).filter((name) => !name.endsWith(".json"))).toEqual(["tinyshakespeare-char"]);

  const generate = (...more: string[]) =>
    run(["generate", "--model", "runs/baby-001", "--tokens", "30", ...more], { cwd: folder, env, input: "Now,\n" });
  const [first, again, other, piped] = [
    await generate("ROMEO:"),
    await generate("ROMEO:", "--threads", "1"),
    await generate("ROMEO:", "--seed", "2"),
    await generate("-", "--json"),
  ];
  expect(first.stdout).toMatch(/^ROMEO:[\s\S]{30,}\n$/);
  expect(again.stdout).toBe(first.stdout);
  expect(other.stdout).not.toBe(first.stdout);
  expect(JSON.parse(piped.stdout)).toMatchObject({
    prompt: "Now,",
    promptTokens: expect.any(Array),
    text: expect.any(String),
  });
  const unknown = await generate("naïve");
  expect(unknown.stderr).toContain('The character "ï" (U+00EF) at position 2');
  expect(unknown.code).toBe(1);

  // The next run gets the next number; damaged data in the cache is recreated.
  writeFileSync(join(env.LLM_TS_CACHE, "tinyshakespeare-char", "tokenizer.bin"), "");
  expect((await train(...args)).stdout.replaceAll(/took .* ms/g, "")).toBe(stdout.replaceAll(/took .* ms/g, ""));
  expect(sha256("runs/baby-002/model_00000006.bin")).toBe(sha256("runs/baby-001/model_00000006.bin"));
});

test("the same bits at any number of threads", async () => {
  const sizes = [
    "-e",
    "custom",
    "--layers",
    "2",
    "--heads",
    "3",
    "--channels",
    "48",
    "--vocab",
    "101",
    "-t",
    "13",
    "-b",
    "3",
  ];
  for (const threads of ["1", "2", "3"])
    await train(
      ...sizes,
      ...data,
      "-x",
      "4",
      "-s",
      "0",
      "--order",
      "shuffle",
      "--threads",
      threads,
      "-o",
      `t${threads}`,
    );
  expect(sha256("t2/model_00000004.bin")).toBe(sha256("t1/model_00000004.bin"));
  expect(sha256("t3/model_00000004.bin")).toBe(sha256("t1/model_00000004.bin"));
});

// Windows has no signals to send to another process: there, this would just kill it.
describe.skipIf(process.platform === "win32")("signals", () => {
  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("after %s the step is finished and the model saved", async (signal, code) => {
    const child = start(["train", "-e", tiny, ...data, "-x", "1000000", "-o", signal], { cwd: folder });
    const done = result(child);
    await written(child.stdout, "step 3:");
    child.kill(signal);
    const { code: found, stderr, stdout } = await done;
    expect(found).toBe(code);
    expect(stderr).toContain("finishing this step, then saving the model");
    const last = [...stdout.matchAll(/^step (\d+):/gm)].length;
    const model = join(folder, signal, `model_${String(last).padStart(8, "0")}.bin`);
    expect(readFileSync(model).length).toBe(readFileSync(tiny).length);
  });

  test("a second Ctrl-C ends at once, and leaves no half-written file", async () => {
    // On the reference backend one step of this model takes long enough to be caught in it.
    const sizes = ["-e", "custom", "--layers", "8", "--heads", "4", "--channels", "256", "--vocab", "101"];
    const args = [...sizes, ...data, "-b", "8", "-v", "0", "--backend", "reference", "-o", "twice"];
    const child = start(["train", ...args], { cwd: folder });
    const done = result(child);
    await written(child.stdout, "num_activations");
    child.kill("SIGINT");
    await written(child.stderr, "finishing this step");
    const asked = performance.now();
    child.kill("SIGINT");
    expect((await done).code).toBe(130);
    expect(performance.now() - asked).toBeLessThan(5000);
    expect(readdirSync(join(folder, "twice"))).toEqual(["config.json"]);
  });
});

describe("complaints", () => {
  beforeAll(async () => {
    const prepare = ["prepare", "-", "--tokenizer", "char", "-o", "chars"];
    expect((await run(prepare, { cwd: folder, input: "abcd".repeat(500) })).code).toBe(0);
    writeFileSync(join(folder, "truncated.bin"), readFileSync(tiny).subarray(0, 5000));
    writeFileSync(join(folder, "text.bin"), "no model".repeat(1000));
    writeTokens(join(folder, "short.bin"), 10, 101);
    writeTokens(join(folder, "large.bin"), 1000, 500);
    mkdirSync(join(folder, "empty"));
    mkdirSync(join(folder, "taken"));
    copyFileSync(join(folder, "val.bin"), join(folder, "taken", "metrics.jsonl"));
  });

  test.each<[code: number, message: RegExp, ...args: string[]]>([
    [1, /gpt2_124M\.bin.*--model d12 .*--model baby/],
    [1, /missing\.bin does not exist/, "-e", "missing.bin"],
    [2, /no model called "d13".*d12/, "-e", "d13"],
    [2, /no model called "cutsom".*custom/, "-e", "cutsom", "--layers", "2"],
    [1, /missing\.bin does not exist/, "-e", "missing.bin", "--layers", "2"],
    [2, /--layers makes a new model, but .* is a trained one/, "-e", tiny, "--layers", "2"],
    [
      2,
      /--vocab is 3, expected 4 or more: the data's tokenizer has 4 tokens/,
      "-e",
      "baby",
      "--vocab",
      "3",
      "-i",
      "chars",
    ],
    [2, /--out <dir>' argument '' is invalid\. Expected a name or path/, "-e", tiny, "-o", ""],
    [
      2,
      /is 50000000 batches of B \* T = 2 \* 1 = 2, and an update takes 65536/,
      "-e",
      tiny,
      ...data,
      "-b",
      "2",
      "-t",
      "1",
      "-d",
      "100000000",
    ],
    [1, /empty is a folder without a model/, "-e", "empty"],
    [1, /truncated\.bin has 5000 bytes, expected \d+.*truncated/, "-e", "truncated.bin"],
    [1, /text\.bin: header field \[0\] \(magic, byte 0\)/, "-e", "text.bin"],
    [2, /--threads <n>' argument '0' is invalid.*from 1/, "-e", tiny, "--threads", "0"],
    [2, /--steps <n>' argument 'many' is invalid/, "-e", tiny, "-x", "many"],
    [2, /--lr <f>' argument '-1' is invalid/, "-e", tiny, "--lr", "-1"],
    [2, /unknown option '--step'.*Did you mean --steps/s, "-e", tiny, "--step", "1"],
    [2, /-nk is llm\.c's name .* --keep here\. Write --keep 5\n/, "-nk", "5"],
    [2, /-h 1 is about HellaSwag in llm\.c.* eval --hellaswag/, "-h", "1"],
    [
      2,
      /batch of 500 tokens.*8 \* 16 = 128.*nearest that can: 384 or 512/,
      "-e",
      tiny,
      ...data,
      "-b",
      "8",
      "-d",
      "500",
    ],
    [2, /warm-up is 9 updates long, and the run only 5/, "-e", tiny, ...data, "-x", "5", "-k", "wsd", "-u", "9"],
    [2, /--warmup, --final-lr-fraction have no effect here: .*Choose another/, "-e", tiny, "-u", "9", "-q", "0.1"],
    [2, /--grad-dtype has no effect here: one process/, "-e", tiny, ...data, "--grad-dtype", "bf16"],
    [2, /--checkpoint-every, --keep have no .* --out \(-o\), or leave/, "-e", tiny, ...data, "-n", "5", "--keep", "3"],
    [2, /--val-batches has no effect here: .* --val/, "-e", tiny, "-i", "train.bin", "-m", "5"],
    [2, /--headerless has no effect here: no data is named/, "-e", tiny, "--headerless"],
    [2, /an update takes 100/, "-e", tiny, ...data, "-d", "6400", "-x", "-1"],
    [2, /--early-stop goes by the validation loss/, "-e", tiny, ...data, "--early-stop", "2", "-v", "0"],
    [2, /--overfit \[0\|1\]' argument '2' is invalid.*0 \(off\) or 1/, "-e", tiny, "-a", "2"],
    [2, /block of 17 tokens \(-t\) is longer than the model's 16/, "-e", tiny, ...data, "-t", "17"],
    [2, /C = 50 channels cannot be divided/, "-e", "custom", "--layers", "1", "--heads", "4", "--channels", "50"],
    [2, /--model custom also needs --channels/, "-e", "custom", "--layers", "1", "--heads", "4"],
    [2, /--depth 4 makes a new model, and --model \(-e\) baby is another one/, "-e", "baby", "--depth", "4"],
    [2, /--depth <n>' argument '0' is invalid.*from 1 to 64/, "--depth", "0"],
    [2, /--minutes <f>' argument '-1' is invalid.*a number of minutes, 0 or more/, "--minutes", "-1"],
    [1, /nothing\*\.bin/, "-e", tiny, "-i", "nothing*.bin"],
    [1, /short\.bin has 10 tokens/, "-e", tiny, "-i", "short.bin"],
    [1, /large\.bin: token \d+ at position \d+ .*vocabulary of 101/, "-e", tiny, "-i", "large.bin", "-v", "0"],
    [1, /vocabulary of 101 tokens.*--train/, "-e", tiny],
    [2, /--val alone/, "-e", "baby", "-j", "val.bin"],
    [1, /taken already holds a run/, "-e", tiny, ...data, "-o", "taken"],
    [1, /train\.bin.*(not a folder|is a file)/, "-e", tiny, ...data, "-o", "train.bin/run"],
    [1, /needs \d+\.\d+ GB.*smaller model/, "-e", "d48", ...data],
  ])("exit code %i and %s", async (code, message, ...args) => {
    const found = await train(...args);
    expect(found.stderr).toMatch(message);
    expect(found.stderr).not.toMatch(/^ {4}at /m);
    expect(found.stdout).not.toContain("step");
    expect(found.code).toBe(code);
  });

  // Root may write anywhere.
  test.skipIf(process.platform === "win32" || process.getuid?.() === 0)(
    "a folder that may not be written",
    async () => {
      mkdirSync(join(folder, "read-only"), { mode: 0o555 });
      const { code, stderr } = await train("-e", tiny, ...data, "-o", "read-only/");
      expect(stderr).toContain("permission denied");
      expect(code).toBe(1);
      expect(existsSync(join(folder, "read-only", "gpt2_tiny-001"))).toBe(false);
    },
  );
});

test.runIf(process.platform === "linux").each([
  ["train", "--model", "baby", "-o", "/proc/x"],
  ["train", "--model", "baby", "-o", "/proc/x/"],
  ["train", "--model", "baby", "-o", "/proc"],
  ["prepare", "tinyshakespeare", "-o", "/proc/x"],
  ["convert", tiny, "/proc/x/y"],
])("where no folder can be made, %s %s %s %s %s says so and ends", async (...args) => {
  const { code, stderr } = await run(args, { cwd: folder, env });
  expect(stderr).toMatch(/^error: \/proc\S* cannot be made: \/proc takes no new files or folders/);
  expect(code).toBe(1);
});

test("--tensorboard writes an event file that begins as TensorFlow's, and a folder that cannot be is refused", async () => {
  const folder = testFolder();
  writeTokens(join(folder, "train.bin"), 300, 101);
  const args = [
    "train",
    "-e",
    fixturePath("gpt2_tiny.bin"),
    "-i",
    "train.bin",
    "-j",
    "train.bin",
    "-b",
    "2",
    "-t",
    "8",
  ];
  const { code } = await run([...args, "-x", "3", "-s", "0", "-o", "r", "--tensorboard", "tb"], { cwd: folder });
  const [name, ...others] = readdirSync(join(folder, "tb/r"));
  expect([code, name, others]).toEqual([0, expect.stringMatching(/^events\.out\.tfevents\.\d+\./), []]);
  const text = readFileSync(join(folder, "tb/r", name), "latin1");
  expect(text).toContain("brain.Event:2");
  expect(text.match(/loss\/train/g)?.length).toBe(3);
  expect(text.match(/loss\/val/g)?.length).toBe(2);
  const refused = await run([...args, "-x", "1", "--tensorboard", "train.bin"], { cwd: folder });
  expect([refused.code, refused.stderr]).toEqual([
    1,
    expect.stringContaining("--tensorboard: train.bin is a file. Give the name of a folder."),
  ]);
});
