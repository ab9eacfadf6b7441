/** `llm-ts prepare`, `encode`, `decode` and `info` as programs. */
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { fixturePath } from "./fixtures.ts";
import { cli, root } from "./nodes.ts";
import { result, run, start, testFolder } from "./run-cli.ts";

const folder = testFolder();
const inFolder = (name: string) => join(folder, name);
const shakespeare = readFileSync(join(root, "data", "tinyshakespeare.txt"), "utf8");

/** One line with the problem on standard error, no stack, nothing on standard output. */
function expectFailure({ code, stdout, stderr }: Awaited<ReturnType<typeof run>>, exit: 1 | 2, message: RegExp) {
  expect(stderr).toMatch(message);
  expect(stderr).toMatch(/^error: /);
  expect(stderr).not.toMatch(/\n\s+at /);
  expect(stdout).toBe("");
  expect(code).toBe(exit);
}

test("prepare tinyshakespeare writes llm.c's files", async () => {
  const out = inFolder("shakespeare");
  const { code, stdout, stderr } = await run(["prepare", "tinyshakespeare", "--out", out]);
  expect(stdout).toBe(
    `${out}/tiny_shakespeare_train.bin: 305,260 tokens\n${out}/tiny_shakespeare_val.bin: 32,768 tokens\n` +
      `${out}/tokenizer.bin: gpt2, 50,257 tokens\n`,
  );
  expect([code, stderr]).toEqual([0, ""]);
  const sha256 = (name: string) =>
    createHash("sha256")
      .update(readFileSync(join(out, name)))
      .digest("hex");
  expect(sha256("tiny_shakespeare_train.bin")).toBe("8a70606be574040c26d225694f5f9759973b419852d22f7fe5c118e1b359dcc8");
  expect(sha256("tiny_shakespeare_val.bin")).toBe("fe99db720dc7c83e694806d4e047a952909411da1daccde4ccc2e55f40882a62");
  const info = JSON.parse((await run(["info", out, "--json"])).stdout);
  expect(info).toMatchObject({ format: "prepared data", tokenizer: "gpt2", train: { tokens: 305260 } });
});

test("prepare reads files and standard input, and decode gives the text back", async () => {
  const text = "Ein Text,\nzwei Zeilen – und 🙂.\n";
  writeFileSync(inFolder("book.txt"), text);
  for (const tokenizer of ["gpt2", "char", "byte"]) {
    const flags = ["--tokenizer", tokenizer, "--val-fraction", "0", "--json"];
    const fromFile = await run(["prepare", inFolder("book.txt"), ...flags], { cwd: folder });
    expect(JSON.parse(fromFile.stdout)).toMatchObject({ folder: "data/book", documents: 1 });
    const fromInput = await run(["prepare", "-", ...flags], { cwd: folder, input: text });
    expect(JSON.parse(fromInput.stdout)).toMatchObject({ folder: "data/text", source: "standard input" });
    const [a, b] = ["book", "text"].map((name) => readFileSync(inFolder(`data/${name}/train.bin`)));
    expect(Buffer.compare(a, b)).toBe(0);
    const ids = new Uint16Array(new Uint8Array(a.subarray(1024)).buffer).join(" ");
    const decoded = await run(["decode", "-", "--tokenizer", inFolder("data/book")], { input: ids });
    expect([decoded.stdout, decoded.stderr]).toEqual([text, ""]);
  }
});

test("encode and decode", async () => {
  expect((await run(["encode", "Hello, world"])).stdout).toBe("15496 11 995\n");
  expect((await run(["encode", "a<|endoftext|>"])).stdout).toBe("64 50256\n");
  expect((await run(["encode", ""])).stdout).toBe("\n");
  expect((await run(["decode", "15496", "11", "995"])).stdout).toBe("Hello, world");
  expect((await run(["decode", "-"], { input: "[15496, 11,\n995]\n" })).stdout).toBe("Hello, world");
  expect((await run(["encode", "é", "--tokenizer", "byte"])).stdout).toBe("195 169\n");
});

test("a whole text through encode, a pipe and decode", async () => {
  const { stdout } = await run(["encode", "-"], { input: shakespeare });
  expect(stdout.split(" ")).toHaveLength(338025);
  expect((await run(["decode", "-"], { input: stdout })).stdout).toBe(shakespeare);
});

test.skipIf(process.platform === "win32")("a reader that has enough ends the command quietly", async () => {
  writeFileSync(inFolder("long.txt"), shakespeare);
  const pipe = `"${process.execPath}" "${cli}" encode - < "${inFolder("long.txt")}" | head -c 20; echo " \${PIPESTATUS[0]}"`;
  const { stdout, stderr } = spawnSync("bash", ["-c", pipe], { encoding: "utf8" });
  expect([stdout, stderr]).toEqual(["5962 22307 25 198 84 0\n", ""]);
});

test("info describes files", async () => {
  const info = async (...args: string[]) => JSON.parse((await run(["info", "--json", ...args])).stdout);
  expect(await info(fixturePath("gpt2_tiny.bin"))).toMatchObject({
    format: "llm.c model",
    version: 3,
    V: 101,
    Vp: 128,
  });
  const state = await info(fixturePath("gpt2_tiny_debug_state.bin"));
  expect(state).toMatchObject({ format: "llm.c debug state", B: 2, T: 12 });
  const old = inFolder("old.bin");
  writeFileSync(old, new Uint8Array(Int32Array.of(5, 7, 1).buffer));
  expect(await info("--headerless", old)).toMatchObject({ format: "tokens", tokens: 3, largestToken: 7 });
  const { stdout } = await run(["info", fixturePath("gpt2_odd.bin")]);
  expect(stdout).toMatch(/^file +.*gpt2_odd\.bin\nformat +llm\.c model\n/);
  const system = await info("--system");
  expect(system.node).toBe(process.version);
  expect(system.cores).toBeGreaterThan(0);
});

test("help has examples, for every command", async () => {
  const { code, stdout } = await run(["--help"]);
  expect(code).toBe(0);
  expect((await run([])).stdout).toBe(stdout);
  const commands = [...stdout.matchAll(/^ {2}([a-z-]+) (?:\[options\]|<)/gm)].map(([, name]) => name);
  expect(commands).toEqual(expect.arrayContaining(["prepare", "encode", "decode", "info"]));
  for (const command of commands) {
    const help = await run([command, "-h"]);
    expect(help.stdout).toMatch(/\nExamples:\n {2}# .+\n {2}\$ /);
    expect(help.code).toBe(0);
    // Broken at 80 columns with the program's name as it was started.
    const [, description = ""] = help.stdout.split("\n\n");
    for (const line of description.split("\n")) expect(line.length <= 80 || !line.includes(" "), line).toBe(true);
  }
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  expect((await run(["--version"])).stdout).toBe(`${version}\n`);
});

test.each<[string[], RegExp]>([
  [["prepair", "x"], /unknown command 'prepair'\n\(Did you mean prepare\?\)/],
  [["prepare"], /missing required argument 'text'/],
  [["prepare", "x", "--tokeniser", "char"], /unknown option '--tokeniser'\n\(Did you mean --tokenizer\?\)/],
  [["prepare", "x", "--val-fraction", "1"], /--val-fraction .*Expected a number/],
  [["prepare", "x", "--val-fraction", "much"], /Expected a number/],
  [["prepare", "tinyshakespeare", "--val-fraction", "0.5"], /split as llm\.c does it/],
  [["decode", "5", "--nothing"], /unknown option '--nothing'/],
  [["info"], /Give a file to look at, or --system/],
  [["info", "x", "--system"], /either a file or --system/],
])("wrong usage: %j", async (args, message) => {
  expectFailure(await run(args, { cwd: folder }), 2, message);
});

test.each<[string[], string, RegExp]>([
  [["prepare", "none.txt"], "", /none\.txt does not exist/],
  [["prepare", "-"], "", /standard input: the text is empty/],
  [["prepare", "-", "--tokenizer", "char"], "x", /too short/],
  [["prepare", "latin1.txt"], "", /latin1\.txt is not valid UTF-8 at byte 3 \(line 2\): found e9/],
  [["prepare", "empty-folder"], "", /holds no text files/],
  [["prepare", "latin1.txt", "--tokenizer", "byte", "--out", "latin1.txt"], "", /latin1\.txt is a file/],
  [
    ["prepare", "latin1.txt", "--tokenizer", "words"],
    "",
    /words does not exist, and is no name of a tokenizer\. Give gpt2, byte,.*also takes char and bpe/,
  ],
  [["encode", "x", "--tokenizer", "none.bin"], "", /none\.bin does not exist/],
  [["encode", "x", "--tokenizer", "empty-folder"], "", /empty-folder holds no tokenizer\. Give gpt2, byte/],
  [["encode", "x", "--tokenizer", "latin1.txt"], "", /latin1\.txt is not a tokenizer that llm-ts reads\. Give gpt2/],
  [["encode", "-", "--tokenizer", fixturePath("gpt2_tiny.bin")], "x", /No tokenizer lies beside the model .*tiny\.bin/],
  [["decode", "50257"], "", /Token 50257 at position 0 .* expected 0 to 50256/],
  [["decode", "-"], "5 x 7", /"x" is not a token id/],
  [["info", "none.bin"], "", /none\.bin does not exist/],
  [["info", "empty-folder"], "", /empty-folder is a folder/],
  [["info", "unknown.bin"], "", /unknown\.bin has none of the formats/],
])("bad input: %j", async (args, input, message) => {
  writeFileSync(inFolder("latin1.txt"), Uint8Array.of(97, 10, 98, 0xe9));
  writeFileSync(inFolder("unknown.bin"), new Uint8Array(200).fill(200, 0, 40).fill(9, 60, 80));
  mkdirSync(inFolder("empty-folder"), { recursive: true });
  expectFailure(await run(args, { cwd: folder, input }), 1, message);
});

test("a character that the tokenizer lacks is named", async () => {
  const out = inFolder("ab");
  await run(["prepare", "-", "--tokenizer", "char", "--out", out, "--val-fraction", "0"], { input: "abab" });
  expectFailure(await run(["encode", "abc", "--tokenizer", out]), 1, /character "c" \(U\+0063\) at position 2/);
});

test("LLM_TS_DEBUG shows where an error came from", async () => {
  const { stderr } = await run(["info", "none.bin"], { cwd: folder, env: { LLM_TS_DEBUG: "1" } });
  expect(stderr).toMatch(/\n\s+at /);
});

test.skipIf(process.platform === "win32")("Ctrl-C leaves no files behind", async () => {
  const out = inFolder("interrupted");
  const child = start(["prepare", "-", "--out", out]);
  const done = result(child);
  child.stdin.write(shakespeare);
  const written = () => (existsSync(out) ? readdirSync(out).length : 0);
  await expect.poll(written, { timeout: 30_000 }).toBeGreaterThan(0);
  child.kill("SIGINT");
  expect((await done).code).toBe(130);
  expect(readdirSync(out)).toEqual([]);
});

/** A file system for one test, where this machine and user can mount one. */
function mountTmpfs(path: string, options: string): boolean {
  mkdirSync(path, { recursive: true });
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", path], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

test.each([
  ["a full disk", "size=64k", /the disk is full/],
  ["a read-only folder", "ro", /read-only file system/],
])("%s is said, and leaves what was there", async (_, options, message) => {
  const path = inFolder(`mount-${options.replace("=", "-")}`);
  // Needs Linux and root; the errors themselves are the same everywhere.
  if (!mountTmpfs(path, options)) return;
  try {
    if (options !== "ro") {
      const small = await run(["prepare", "-", "--out", path, "--tokenizer", "byte"], {
        input: "a short text ".repeat(9),
      });
      expect(small.code, small.stderr).toBe(0);
    }
    const contents = () => readdirSync(path).map((name) => [name, readFileSync(join(path, name), "hex")]);
    const before = contents();
    expectFailure(await run(["prepare", "-", "--out", path], { input: shakespeare }), 1, message);
    expect(contents()).toEqual(before);
  } finally {
    execFileSync("umount", [path]);
  }
});

test("a data set that replaces another says which, and one that replaces other files is refused", async () => {
  const out = inFolder("replaced");
  writeFileSync(inFolder("a.txt"), "Some words of a text. ".repeat(20));
  writeFileSync(inFolder("b.txt"), "Some other words of it. ".repeat(20));
  const prepare = (...args: string[]) => run(["prepare", ...args, "-o", out]);
  expect(await prepare(inFolder("a.txt"))).toMatchObject({ code: 0, stderr: "" });
  expect(await prepare(inFolder("a.txt"))).toMatchObject({ code: 0, stderr: "" });
  const other = await prepare(inFolder("b.txt"), "--tokenizer", "byte");
  expect(other.stderr).toMatch(
    /^\S+replaced: replaced the data set that was prepared there from \S+a\.txt \(\w+, [\d,]+ tokens\)\n$/,
  );
  rmSync(join(out, "dataset.json"));
  const kept = readFileSync(join(out, "train.bin"));
  expectFailure(
    await prepare(inFolder("a.txt"), "--tokenizer", "byte"),
    1,
    /train\.bin would be replaced, and there is no dataset\.json beside it/,
  );
  expect(readFileSync(join(out, "train.bin"))).toEqual(kept);
});

test("what a killed prepare has left goes when the same data is prepared again", async () => {
  const out = inFolder("killed");
  const child = start(["prepare", "-", "--out", out, "--tokenizer", "byte"]);
  child.stdin.write("a text that goes on ".repeat(10_000));
  const temporaries = () => (existsSync(out) ? readdirSync(out).filter((name) => name.endsWith(".tmp")) : []);
  while (temporaries().length < 2) await new Promise((resolve) => setTimeout(resolve, 10));
  child.kill("SIGKILL");
  await result(child);
  expect(temporaries()).toHaveLength(2);
  const { code } = await run(["prepare", "-", "--out", out, "--tokenizer", "byte"], {
    input: "another text ".repeat(99),
  });
  expect(code).toBe(0);
  expect(readdirSync(out).sort()).toEqual(["dataset.json", "tokenizer.bin", "train.bin", "val.bin"]);
});
