/** `llm-ts learn` as a program: a reader's way through the exercises, and what readers do wrong. */
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { exercises, type Language, sourceOf } from "../src/learn/source.ts";
import { solved } from "./learn-solutions.ts";
import { result, run, start, testFolder, written } from "./run-cli.ts";

const folder = testFolder();
const language: Language = process.features.typescript ? "ts" : "js";
const fileOf = (name: string, id: string) => join(folder, name, `${id}.${language}`);
const ids = exercises.map(({ id }) => id);
const learn = (name: string, ...args: string[]) => run(["learn", name && join(folder, name), ...args]);

/** A folder with the first exercises solved. */
async function folderWith(name: string, ...solvedIds: readonly string[]): Promise<void> {
  expect((await learn(name)).code).toBe(0);
  for (const id of solvedIds) writeFileSync(fileOf(name, id), solved(id, language));
}

test("writes the exercises, says what is next, and overwrites nothing", async () => {
  const made = await learn("new");
  expect(made.stdout).toMatch(/^16 exercises are in .*new\.\n/);
  expect(readdirSync(join(folder, "new")).sort()).toEqual([...ids.map((id) => `${id}.${language}`), "package.json"]);
  const first = await learn("new", "--check");
  expect([first.code, first.stdout]).toEqual([
    1,
    expect.stringMatching(/^→ 01-embedding .*\n {2}Next: fill in .*\n0 of 16 are right\.\n$/),
  ]);

  writeFileSync(fileOf("new", ids[0]), "// mine\n");
  writeFileSync(fileOf("new", ids[1]), sourceOf(ids[1], language));
  const again = await learn("new");
  expect(again.stdout).toMatch(/^All exercises are in .*new already\.\n\nOpen .*02-layernorm\./);
  rmSync(fileOf("new", ids[4]));
  expect((await learn("new")).stdout).toMatch(/^Wrote 1 exercise to .*new; 15 were there and stay as they are\.\n/);
  expect(readFileSync(fileOf("new", ids[0]), "utf8")).toBe("// mine\n");
});

test("all solutions are right, in the reader's own folder", async () => {
  await folderWith("all", ...ids);
  const { code, stdout } = await learn("all", "--check");
  expect(stdout.match(/^✓ \S+/gm)).toEqual(ids.map((id) => `✓ ${id}`));
  expect(stdout).toMatch(/16-fast-matmul .* [\d.]+ times as fast as it was/);
  expect(stdout).toMatch(/16 of 16 are right\. Train with your own code: .* learn .*all --train\n$/);
  expect(code).toBe(0);

  // A step of the small model by these functions, saved as a model that generates.
  const trained = await learn("all", "--train", "1");
  expect(trained.stdout).toMatch(/^step 1\/1: loss 4\.[12]\d+\n$/);
  expect(trained.stderr).toMatch(/Saved .*mine\.bin/);
  const generated = await run(["generate", "RO", "--model", join(folder, "all", "mine.bin"), "--tokens", "5"]);
  expect(generated.code).toBe(0);

  // Ctrl-C ends it after the step, with what was learned.
  const child = start(["learn", join(folder, "all"), "--train", "90"]);
  const ended = result(child);
  await written(child.stdout, "step 1/90");
  child.kill("SIGINT");
  const stopped = await ended;
  expect([stopped.code, stopped.stderr]).toEqual([
    130,
    expect.stringMatching(/Ending after this step.*\nSaved .*mine-2\.bin after \d+ steps?\.\nIt writes: /),
  ]);
  const [, steps] = /after (\d+) step/.exec(stopped.stderr) ?? [];
  expect(stopped.stdout).toMatch(new RegExp(`step ${steps}/90: loss \\d.*\n$`));

  // A reader of standard output that goes, such as head, ends nothing.
  const unread = start(["learn", join(folder, "all"), "--train", "3"]);
  const finished = result(unread);
  await written(unread.stdout, "step 1/3");
  unread.stdout.destroy();
  const { code: exitCode, stderr } = await finished;
  expect(stderr).toMatch(/standard output is closed: the training continues, and saves .*mine-3\.bin\n/);
  expect(stderr).toMatch(/Saved .*mine-3\.bin after 3 steps\.\nIt writes: /);
  expect(exitCode).toBe(1);

  // A function that fails later ends it, with what was learned before.
  writeFileSync(
    fileOf("all", "14-adamw"),
    solved("14-adamw", language).replace(
      /(export function adamw.*\{\n)/,
      "$1  if (options.step === 2 && param.length > 30) throw new Error('worn out');\n",
    ),
  );
  const failed = await learn("all", "--train", "5");
  expect([failed.code, failed.stderr]).toEqual([
    1,
    expect.stringMatching(/Saved .*mine-4\.bin after 1 step\.\n.*failed: Error: worn out\./s),
  ]);
}, 240_000);

test("the check stops at the first that is wrong, with the mistake, and gives hints", async () => {
  await folderWith("wrong", ...ids.slice(0, 5));
  const wrong = solved("05-attention", language).replace(" / Math.sqrt(hs);", ";");
  writeFileSync(fileOf("wrong", "05-attention"), wrong);
  const { code, stdout } = await learn("wrong", "--check");
  expect(stdout).toMatch(/\n✗ 05-attention/);
  expect(stdout).toMatch(
    /With B 1, T 3, C 4, NH 2: att\[0,\d,\d,\d\] is 0\.\d+, expected 0\.\d+; \d+ of 18 elements differ\./,
  );
  expect(stdout).toMatch(/Likely: the scale is missing/);
  expect(stdout).toMatch(/\n4 of 16 are right\.\n$/);
  expect(code).toBe(1);
  expect((await learn("wrong", "--hint")).stdout).toMatch(/^05-attention, hint 1 of 4: Loops over b/);
  expect((await learn("wrong", "--hint", "2")).stdout).toMatch(/^05-attention, hint 2 of 4: /);
  const none = await learn("wrong", "--hint", "9");
  expect([none.code, none.stderr]).toEqual([
    2,
    expect.stringMatching(/05-attention has 4 hints, not 9\. The last one: .* --hint 4/),
  ]);
});

test("exercises may be done in the order of the chapters", async () => {
  await folderWith("chapters", ids[1], ids[4]);
  const { code, stdout } = await learn("chapters", "--check");
  expect(stdout.match(/^[✓→] \S+/gm)).toEqual([`✓ ${ids[1]}`, `✓ ${ids[4]}`, `→ ${ids[0]}`]);
  expect(stdout).toMatch(/\n2 of 16 are right\.\n$/);
  expect(code).toBe(1);

  writeFileSync(fileOf("chapters", ids[10]), solved(ids[10], language).replace("- average", ""));
  expect((await learn("chapters", "--check")).stdout).toMatch(/\n✗ 11-layernorm-backward/);
  expect((await learn("chapters", "--hint")).stdout).toMatch(/^11-layernorm-backward, hint 1 /);

  // The whole model is judged when all of its functions are there, the fast matmul whenever it was worked on.
  rmSync(fileOf("chapters", ids[10]));
  await folderWith("chapters", ids[14]);
  expect((await learn("chapters", "--check")).stdout).toMatch(/\n→ 01-embedding/);
  writeFileSync(fileOf("chapters", ids[15]), "export const other = 1;\n");
  expect((await learn("chapters", "--check")).stdout).toMatch(/\n✗ 16-fast-matmul/);
});

test("the line of a syntax error in JavaScript is that of the error, or is not said", async () => {
  mkdirSync(join(folder, "script"));
  writeFileSync(join(folder, "script", "package.json"), '{ "type": "module" }');
  const rest = "export function embedding() {\n  const a = 1;\n  const a = 2;\n}\n";
  for (const [start, line] of [
    ['import { sep } from "node:path";\n', " (line 4)"],
    ['import {\n  sep,\n} from "node:path";\n', ""],
    ["export { embedding };\n", ""],
  ]) {
    writeFileSync(join(folder, "script", "01-embedding.js"), `${start}${rest}`);
    const { stdout } = await learn("script", "--check");
    expect(stdout).toContain(`  SyntaxError: Identifier 'a' has already been declared${line}.\n`);
  }
});

test("what a first function may do wrong is said", async () => {
  await folderWith("bad");
  const signature = (body: string) => `export function embedding(tokens, wte, wpe, B, T, C) {\n${body}\n}\n`;
  const right = solved("01-embedding", language);
  const cases: [source: string, message: RegExp][] = [
    [signature("  for (;;);"), /did not end within 10 seconds: does a loop run for ever\?/],
    [signature("  nothing.at = 1;"), /ReferenceError: nothing is not defined \(line 2\)/],
    [signature("  return 3;"), /the result is a number, expected an array of 12 numbers, out \(B,T,C\)/],
    [signature(""), /the result is undefined, expected an array/],
    [signature("  return new Float32Array(5);"), /the result has 5 numbers, expected an array of 12/],
    [
      right.replace("export function embedding", "export async function embedding").replace("): Float32Array", ")"),
      /must not be async/,
    ],
    [right.replace(/\n {2}return/, "\n  wte[0]++;\n  return"), /it changed its argument wte: write into a new array/],
    ["export const other = 1;\n", /the file exports no function embedding/],
    ["// A comment.\nexport function embedding( {\n  return 1 +;\n}\n", /Error: .* \(line [23]\)\.\n/],
    [signature("  process.exit(0);"), /it ended its thread with code 0/],
  ];
  for (const [source, message] of cases) {
    writeFileSync(fileOf("bad", "01-embedding"), source);
    const { code, stdout, stderr } = await learn("bad", "--check");
    expect(stdout).toMatch(/^✗ 01-embedding/);
    expect(stdout).toMatch(message);
    expect([code, stderr]).toEqual([1, expect.not.stringMatching(/^error/m)]);
  }
}, 120_000);

test("the gradients of the whole model are compared one by one", async () => {
  await folderWith("train", ...ids.slice(0, 15));
  const right = solved("15-train", language);
  const cases: [source: string, message: RegExp][] = [
    [sourceOf("15-train", language), /^→ 15-train/m],
    [right.replace("grads.lnfw = last.dweight;", ""), /grads\["lnfw"\] is missing/],
    [right.replace("dstream.map((value, i) => value + ln2.dinp[i])", "ln2.dinp"), /grads\["h\.1\.attprojw"\] at /],
    [right.replace("value + head.dweight[i]", "value"), /grads\["wte"\] at .*\n.*the embedding's alone/],
    [right.replace("return { loss, grads }", "return { loss }"), /grads\["lnfw"\] is missing/],
  ];
  for (const [source, message] of cases) {
    writeFileSync(fileOf("train", "15-train"), source);
    const { code, stdout } = await learn("train", "--check");
    expect(stdout).toMatch(message);
    expect(code).toBe(1);
  }
}, 120_000);

test("--watch checks again when a file is saved", async () => {
  await folderWith("watch");
  const child = start(["learn", join(folder, "watch"), "--watch"]);
  const ended = result(child);
  await written(child.stdout, "0 of 16");
  const file = fileOf("watch", "01-embedding");
  writeFileSync(file, solved("01-embedding", language));
  const later = new Date(statSync(file).mtimeMs + 2000);
  utimesSync(file, later, later);
  await written(child.stdout, "1 of 16");
  child.kill("SIGINT");
  expect((await ended).code).toBe(130);
});

test("bad input", async () => {
  writeFileSync(join(folder, "a-file"), "");
  const cases: [code: number, message: RegExp, ...args: string[]][] = [
    [1, /a-file cannot be read as a folder/, "a-file"],
    [2, /argument value '' is invalid for argument 'folder'\. Expected a name or path/, ""],
    [1, /nowhere has no exercises\. Write them: .* learn .*nowhere/, "nowhere", "--check"],
    [2, /Choose one of/, "nowhere", "--check", "--watch"],
    [2, /argument 'x' is invalid/, "nowhere", "--hint", "x"],
  ];
  for (const [code, message, ...args] of cases) {
    const { code: found, stderr } = await learn(args[0], ...args.slice(1));
    expect([found, stderr]).toEqual([code, expect.stringMatching(message)]);
  }
  await folderWith("early");
  const early = await learn("early", "--train");
  expect([early.code, early.stderr]).toEqual([
    1,
    expect.stringMatching(/01-embedding is not right yet, and training needs it/),
  ]);
});
