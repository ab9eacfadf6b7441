/** `llm-ts runs` and `llm-ts plot` as programs, on runs that `llm-ts train` made. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { fixturePath } from "./fixtures.ts";
import { run, testFolder, writeTokens } from "./run-cli.ts";

const folder = testFolder();
const llm = (...args: string[]) => run(args, { cwd: folder });
const lines = (text: string) => text.trimEnd().split("\n");

beforeAll(async () => {
  writeTokens(join(folder, "tokens.bin"), 3000, 101);
  const train = ["train", "-e", fixturePath("gpt2_tiny.bin"), "-i", "tokens.bin", "-j", "tokens.bin", "-v", "5"];
  for (const lr of ["1e-3", "1e-4"]) {
    const { code, stderr } = await llm(
      ...train,
      "-x",
      "20",
      "-b",
      "2",
      "-t",
      "8",
      "-s",
      "0",
      "-l",
      lr,
      "-o",
      `runs/${lr}`,
    );
    expect(code, stderr).toBe(0);
  }
  mkdirSync(join(folder, "runs", "photos"));
  mkdirSync(join(folder, "runs", "broken"));
  writeFileSync(join(folder, "runs", "broken", "config.json"), "{");
  writeFileSync(join(folder, "runs", "notes.txt"), "");
  mkdirSync(join(folder, "nothing"));
  const converted = await llm("convert", "runs/1e-3", "runs/converted");
  expect(converted.code, converted.stderr).toBe(0);
});

test("runs lists them, newest first, and leaves other folders out", async () => {
  const { code, stdout, stderr } = await llm("runs");
  const [head, , first, second, , ...others] = lines(stdout);
  expect(head.split(/ {2,}/)).toEqual([
    "run",
    "model",
    "parameters",
    "updates",
    "train",
    "val",
    "best val",
    "tokens/s",
    "took",
    "began",
    "status",
  ]);
  expect(first).toMatch(/^1e-4 .* 30\.1k +20\/20 +\d\.\d{4} +\d\.\d{4} +\d\.\d{4} .* done$/);
  expect(second).toMatch(/^1e-3 .* done$/);
  expect(others).toEqual([expect.stringMatching(/broken.config\.json is not valid JSON/)]);
  expect(stderr).toBe("");
  expect(code).toBe(0);
});

test("runs --json prints the same for programs; a run's own folder stands for itself", async () => {
  const all = JSON.parse((await llm("runs", "runs", "--json")).stdout);
  expect(all).toHaveLength(3);
  const [one] = JSON.parse((await llm("runs", join("runs", "1e-4"), "--json")).stdout);
  expect(all).toContainEqual(one);
  expect(one).toMatchObject({ status: "done", step: 20, steps: 20, parameters: 30080, valLoss: expect.any(Number) });
});

test("plot writes a picture and draws in the terminal", async () => {
  const { code, stdout, stderr } = await llm("plot", "runs/1e-3", "runs/1e-4", "-o", "two.svg");
  expect(stderr).toContain("the picture is in two.svg");
  expect(stdout).toMatch(/─ 1e-3 {3}─ 1e-4 {3}● validation\n[\s\S]*┤[\s\S]*20 steps\n$/);
  expect(code).toBe(0);
  const svg = readFileSync(join(folder, "two.svg"), "utf8");
  expect(svg).toMatch(/^<svg [\s\S]*>1e-3<[\s\S]*>1e-4<[\s\S]*<\/svg>\n$/);
  expect(svg.match(/<circle /g)).toHaveLength(10);
  const piped = await llm("plot", "runs/1e-3", "runs/1e-4", "-o", "-");
  expect(piped).toEqual({ code: 0, stdout: svg, stderr: "" });
});

test("plot leaves out what holds no run, among what runs/* names", async () => {
  const { code, stderr } = await llm("plot", "runs/1e-3", "runs/photos", "runs/converted", "-o", "-");
  expect(stderr).toBe("runs/photos holds no run: left out\nruns/converted holds no run: left out\n");
  expect(code).toBe(0);
});

test("plot names the runs in a folder, and draws no PNG", async () => {
  const folderOfRuns = await llm("plot", "runs");
  expect([folderOfRuns.code, folderOfRuns.stderr]).toEqual([
    2,
    expect.stringMatching(/runs is a folder of runs: .*1e-3/),
  ]);
  const png = await llm("plot", "runs/1e-3", "-o", "two.png");
  expect([png.code, png.stderr]).toEqual([2, expect.stringContaining("Name the picture two.svg.")]);
});

test("plot --csv prints every update and validation, a line each", async () => {
  const { code, stdout } = await llm("plot", "runs/1e-3", "runs/1e-4", "--csv");
  const [header, ...lines] = stdout.trimEnd().split("\n");
  expect([code, header]).toEqual([
    0,
    "run,event,step,loss,learning_rate,gradient_norm,ms,tokens_per_second,bits_per_byte",
  ]);
  const steps = lines.filter((line) => line.startsWith("1e-3,step,"));
  const [, , step, loss, rate] = steps[1].split(",");
  const logged = readFileSync(join(folder, "runs/1e-3/metrics.jsonl"), "utf8").split("\n");
  const second = logged.map((line) => (line === "" ? {} : JSON.parse(line))).filter(({ event }) => event === "step")[1];
  expect([step, loss, rate].map(Number)).toEqual([second.step, second.loss, second.lr]);
  expect(lines.filter((line) => line.startsWith("1e-4,val,")).length).toBeGreaterThan(1);
  const validations = await llm("plot", "runs/1e-3", "--csv", "--val-only");
  expect(validations.stdout.trimEnd().split("\n").slice(1)).toEqual(
    lines.filter((line) => line.startsWith("1e-3,val,")),
  );
  expect((await llm("plot", "runs/1e-3", "runs/1e-4", "--csv", "-o", "numbers.csv")).code).toBe(0);
  expect(readFileSync(join(folder, "numbers.csv"), "utf8")).toBe(stdout);
  expect((await llm("plot", "runs/1e-3", "--csv", "-o", "numbers.csv", "--val-only")).code).toBe(0);
});

test("plot --csv refuses a picture's options, and prints nothing where a run cannot be read", async () => {
  const { code, stderr } = await llm("plot", "runs/1e-3", "--csv", "--what", "norm");
  expect([code, stderr]).toEqual([
    2,
    expect.stringContaining("'--csv' cannot be used with option '--what <quantity>'"),
  ]);
  const missing = await llm("plot", "runs/1e-3", "runs/none", "--csv");
  expect([missing.code, missing.stdout]).toEqual([1, ""]);
});

test("bits per byte compare runs in different tokens, in the list, as CSV and drawn", async () => {
  const text = "Die Würde des Menschen ist unantastbar. ".repeat(200);
  writeFileSync(join(folder, "text.txt"), text);
  for (const tokenizer of ["char", "byte", "bpe:270"]) {
    const name = tokenizer.slice(0, 3);
    const prepared = await llm("prepare", "text.txt", "--tokenizer", tokenizer, "-o", `data/${name}`);
    expect(prepared.code, prepared.stderr).toBe(0);
    const sizes = ["--layers", "1", "--heads", "1", "--channels", "8", "-b", "2", "-t", "16", "-x", "3", "-s", "0"];
    const trained = await llm("train", "-e", "custom", ...sizes, "-i", `data/${name}`, "-o", `own/${name}`);
    expect(trained.code, trained.stderr).toBe(0);
    expect(trained.stderr).toMatch(/^validation: \d\.\d{6} bits per byte$/m);
  }
  const { stdout: table } = await llm("runs", "own");
  expect(table).toContain("bits/byte");
  const all: { bitsPerByte: number; valLoss: number; folder: string }[] = JSON.parse(
    (await llm("runs", "own", "--json")).stdout,
  );
  expect(all).toHaveLength(3);
  const { stdout: csv } = await llm("plot", "own/byt", "--csv", "--val-only");
  const [, , , loss, , , , , bits] = (lines(csv).at(-1) ?? "").split(",");
  // Of bytes, a token is a byte.
  expect(Math.abs(Number(bits) / (Number(loss) / Math.LN2) - 1)).toBeLessThan(1e-6);
  expect(all.find(({ folder }) => folder.endsWith("byt"))?.bitsPerByte).toBe(Number(bits));
  const drawn = await llm("plot", "own/cha", "own/byt", "own/bpe", "--what", "bpb", "-o", "-");
  expect(drawn.stdout).toContain(">bits per byte<");
  expect(drawn.stdout.match(/<circle /g)).toHaveLength(6);
  const without = await llm("plot", "runs/1e-3", "--what", "bpb");
  expect(without.stderr).toMatch(/1e-3 holds nothing to draw: no validation in bits per byte of it is on record/);
  const beside = await llm("plot", "own/byt", "runs/1e-3", "--what", "bpb", "-o", "-");
  expect([beside.code, beside.stderr]).toEqual([
    0,
    "no validation in bits per byte of runs/1e-3 is on record: left out\n",
  ]);
  expect(without.code).toBe(1);
});

test("plot --val-only ends its axis with the last update", async () => {
  const { stdout } = await llm("plot", "runs/1e-3", "--val-only", "-o", "val.svg");
  expect(stdout).toMatch(/ 20 steps\n$/);
});

test("generate without --model takes the newest run, and says so", async () => {
  const { code, stdout, stderr } = await llm("generate", "1 2", "-g", "3");
  expect(stderr).toContain("with the newest run, runs/1e-4 (--model names another)");
  expect(stdout).toMatch(/^1 2 \d+ \d+ \d+/);
  expect(code).toBe(0);
  const none = await run(["generate"], { cwd: join(folder, "nothing") });
  expect(none.stderr).toMatch(/^error: Name a model with --model: there is no run .*train --model baby -o runs\/\n/);
  expect(none.code).toBe(2);
});

test("a folder of runs as --model lists them", async () => {
  const { code, stderr } = await llm("generate", "--model", "runs");
  expect(stderr).toMatch(/runs is a folder of runs, and a model is expected: .* runs\/1e-4, runs\/1e-3\.\n/);
  expect(code).toBe(1);
});

test("--resume with a name that is no run names those beside it", async () => {
  const tokens = ["-i", "tokens.bin", "-b", "2", "-t", "8", "-x", "1", "-s", "0"];
  const { stderr } = await llm("train", "-e", fixturePath("gpt2_tiny.bin"), ...tokens, "-o", "runs/1e-5", "-y");
  rmSync(join(folder, "runs", "1e-5"), { recursive: true });
  expect(stderr).toContain("no run in runs/1e-5 to resume: starting one (beside it there are runs/1e-4, runs/1e-3)");
});

test("prepare refuses the folder of a run", async () => {
  const { code, stderr } = await llm("prepare", "runs/1e-3");
  expect(stderr).toMatch(/runs\/1e-3 is the folder of a training run, and no text\. Name/);
  expect(code).toBe(1);
});

test("info says what a run, runs, a converted model, a text and other folders are", async () => {
  writeFileSync(join(folder, "book.txt"), "To be, or not to be");
  const facts = async (path: string) => {
    const { code, stdout, stderr } = await llm("info", path, "--json");
    expect(code, stderr).toBe(0);
    return { ...JSON.parse(stdout), next: stderr.trim() };
  };
  expect(await facts("runs/1e-3")).toMatchObject({
    format: "training run",
    status: "done",
    step: 20,
    checkpoint: 20,
    newest: "runs/1e-3/model_00000020.bin",
    next: expect.stringMatching(/generate --model runs\/1e-3$/),
  });
  expect(await facts("runs")).toMatchObject({ format: "folder with runs", runs: 3 });
  expect(await facts("runs/converted")).toMatchObject({
    format: "model folder",
    dtype: "f32",
    V: 101,
    tokenizer: "none",
  });
  expect(await facts("book.txt")).toMatchObject({
    format: "text",
    bytes: 19,
    next: expect.stringMatching(/prepare book\.txt$/),
  });
  const photos = await llm("info", "runs/photos");
  expect(photos.stderr).toMatch(
    /photos is a folder that is neither prepared data nor a run or model: it holds no files/,
  );
  expect(photos.code).toBe(1);
});

test.each([
  ["lr", [], "learning rate"],
  ["norm", ["--log"], "norm"],
  ["tokens", ["--smooth", "0.5"], "tokens a second"],
  ["loss", ["--val-only"], "loss, nats a token"],
])("plot --what %s", async (what, more, axis) => {
  const { code, stdout } = await llm("plot", "runs/1e-3", "--what", what, ...more, "-o", "-");
  expect(stdout).toContain(`>${axis}<`);
  expect(stdout).not.toMatch(/NaN|Infinity/);
  expect(code).toBe(0);
});

test("a folder without runs is an empty list", async () => {
  const found = await llm("runs", "nothing");
  expect(found.stderr).toMatch(/^nothing holds no runs\. Make one with .*train --model baby -o runs\/\n$/);
  expect([found.stdout, found.code]).toEqual(["", 0]);
  expect(JSON.parse((await llm("runs", "nothing", "--json")).stdout)).toEqual([]);
});

describe("complaints", () => {
  test.each<[code: number, message: RegExp, ...args: string[]]>([
    [1, /no folder missing.*-o runs\//, "runs", "missing"],
    [1, /tokens\.bin is a file/, "runs", "tokens.bin"],
    [2, /missing required argument 'run'/, "plot"],
    [1, /missing does not exist/, "plot", "missing"],
    [1, /photos holds no run/, "plot", "runs/photos"],
    [1, /broken holds nothing to draw/, "plot", "runs/broken"],
    [2, /--what <quantity>' argument 'x' is invalid.*loss, lr/, "plot", "runs/1e-3", "--what", "x"],
    [2, /--smooth <f>' argument '1' is invalid/, "plot", "runs/1e-3", "--smooth", "1"],
    [2, /--val-only is about losses/, "plot", "runs/1e-3", "--what", "lr", "--val-only"],
    [1, /no-such-folder/, "plot", "runs/1e-3", "-o", "no-such-folder/x.svg"],
  ])("exit code %i and %s", async (code, message, ...args) => {
    const found = await llm(...args);
    expect(found.stderr).toMatch(message);
    expect(found.stderr).not.toMatch(/^ {4}at /m);
    expect(found.stdout).toBe("");
    expect(found.code).toBe(code);
    expect(existsSync(join(folder, "plot.svg"))).toBe(false);
  });
});

test("plot replaces pictures, and no other file", async () => {
  writeFileSync(join(folder, "book.txt"), "once upon a time");
  const refused = await llm("plot", "runs/1e-3", "-o", "book.txt");
  expect([refused.code, refused.stderr]).toEqual([
    1,
    expect.stringContaining("book.txt exists already, and is no picture"),
  ]);
  expect(readFileSync(join(folder, "book.txt"), "utf8")).toBe("once upon a time");
  expect((await llm("plot", "runs/1e-3", "-o", "again.svg")).code).toBe(0);
  expect((await llm("plot", "runs/1e-4", "-o", "again.svg")).code).toBe(0);
});
