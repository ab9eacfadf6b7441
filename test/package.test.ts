/** The package of `npm pack`, installed elsewhere: the command and the API train and write with it. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { environmentOf, type NodeProgram, nodePrograms, root, sayMissing } from "./nodes.ts";
import { type Installed, installPacked } from "./packed.ts";
import { testFolder } from "./run-cli.ts";

const programs = nodePrograms();
sayMissing(programs);

const windows = process.platform === "win32";
const project = join(testFolder(), "project");
let installed: Installed;

beforeAll(() => {
  installed = installPacked(project);
  writeFileSync(join(project, "use.js"), program);
  writeFileSync(join(project, "text.txt"), "The quick brown fox jumps over the lazy dog.\n".repeat(100));
}, 300_000);

/** A user's program, as a plain module beside the installed package. */
const program = `
import { GPT2, TokenLoader, Trainer } from "llm-ts";

const [path, out] = process.argv.slice(2);
const model = await GPT2.load(path, { threads: 2 });
const trainer = new Trainer(model, { learningRate: 1e-3 });
const loader = await TokenLoader.open("data/train.bin", { B: 2, T: 16 });
const losses = [];
for await (const event of trainer.run(loader, { steps: 3, sampleEvery: 0 }))
  if (event.type === "step") losses.push(event.loss);
let text = "";
for await (const piece of model.generate("The ", { maxTokens: 12, temperature: 0.8, seed: 1337 })) text += piece;
await model.save(out);
await trainer.dispose();
await model.dispose();
console.log(JSON.stringify({ losses, text }));
`;

/** The program in a README. */
function sampleOf(name: string): string {
  const [, code = ""] = /```ts\n(.*?)```/s.exec(readFileSync(join(root, name), "utf8")) ?? [];
  return code;
}

function llmTs(node: NodeProgram, ...args: string[]): string {
  const command = join(project, "node_modules", ".bin", windows ? "llm-ts.cmd" : "llm-ts");
  return execFileSync(command, args, { cwd: project, env: environmentOf(node), encoding: "utf8", shell: windows });
}

test("the package holds what it needs and nothing else", () => {
  const { packed } = installed;
  for (const path of ["LICENSE", "README.md", "dist/index.js", "dist/index.d.ts", "dist/cli/main.js"])
    expect(packed).toContain(path);
  for (const build of ["plain", "plain-shared", "relaxed", "relaxed-shared"])
    expect(packed).toContain(`kernels/${build}.wasm`);
  expect(packed).toContain("dist/platform/node-worker-entry.js");
  expect(packed).toContain("dist/platform/browser-worker-entry.js");
  const browser = packed.filter((path) => path.startsWith("dist/browser/")).map((path) => path.split("/").pop());
  const kernels = ["plain-shared.wasm", "plain.wasm", "relaxed-shared.wasm", "relaxed.wasm"];
  const loaded = ["jinja.js", "r50k_base.js", "smalltalk.jsonl", "tinyshakespeare.txt", "tokenizers.js", "webgpu.js"];
  // Loaded for the message about a file that is not text; rolldown-runtime.js is what CommonJS modules need.
  const named = ["backends.js", "chardet.js", "magic-bytes.js", "rolldown-runtime.js"];
  expect(browser.sort()).toEqual(["browser-worker-entry.js", "llm-ts.js", ...kernels, ...loaded, ...named].sort());
  expect(packed.filter((path) => /\.test\.|^(src|test|assembly)\//.test(path))).toEqual([]);
});

test("installing it warns of nothing and runs no script", () => {
  expect(installed.output).toMatch(/^added \d+ packages/m);
  expect(installed.output).not.toMatch(/warn|script/i);
});

test.each([
  ["Node alone", ["ES2023"], ["node"], {}],
  ["a page", ["ES2022", "DOM"], [], {}],
  [
    "Node, where an option that is left out is not undefined",
    ["ES2023"],
    ["node"],
    { exactOptionalPropertyTypes: true },
  ],
])("its types hold for TypeScript that knows of %s", (_name, lib, types, flags) => {
  const uses = `import { GPT2, type Backend } from "llm-ts";
    export const load: (path: string) => Promise<GPT2> = GPT2.load;
    export type Sizes = Backend["name"];
    // @ts-expect-error: not a promise of a string
    export const wrong: (path: string) => Promise<string> = GPT2.load;`;
  writeFileSync(join(project, "typed.ts"), uses);
  writeFileSync(join(project, "sample.ts"), sampleOf("README.md"));
  // The sample writes to Node's standard output.
  const files = types.includes("node") ? ["typed.ts", "sample.ts"] : ["typed.ts"];
  const compilerOptions = {
    ...{ lib, types, typeRoots: [join(root, "node_modules", "@types")] },
    ...{ module: "nodenext", target: "es2023", strict: true, skipLibCheck: false, noEmit: true, ...flags },
  };
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, files }));
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  const { stdout, status } = spawnSync(process.execPath, [tsc, "-p", project], { encoding: "utf8" });
  expect(stdout).toBe("");
  expect(status).toBe(0);
});

test("the library for pages without a bundler exports what the package does, with its types", async () => {
  const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  expect(exports["./browser"].types).toBe(exports["."].types);
  const code = `const names = async (name) => Object.keys(await import(name)).sort();
    console.log(JSON.stringify([await names("llm-ts"), await names("llm-ts/browser")]));`;
  const output = execFileSync(programs[0].path, ["--input-type=module", "-e", code], {
    cwd: project,
    encoding: "utf8",
  });
  const [names, inBrowser] = JSON.parse(output);
  expect(inBrowser).toEqual(names);
});

/** Output of each Node: all must give the same bits. */
const results = new Map<string, unknown>();

describe.each(programs)("with Node $version", (node) => {
  test("trains and generates through the command and through the API", () => {
    const run = `run-${node.version}`;
    llmTs(node, "prepare", "text.txt", "--tokenizer", "char", "--out", "data");
    const size = ["--model", "custom", "--layers", "2", "--heads", "2", "--channels", "32"];
    const options = ["-i", "data", "-b", "2", "-t", "16", "-x", "4", "-l", "1e-3", "--threads", "2", "--json"];
    const lines = llmTs(node, "train", ...size, ...options, "-o", run)
      .trim()
      .split("\n");
    const events = lines.map((line) => JSON.parse(line));
    const losses = events.filter(({ event }) => event === "step").map(({ loss }) => loss);
    expect(losses).toHaveLength(4);
    expect(losses[3]).toBeLessThan(losses[0]);
    const text = llmTs(node, "generate", "The", "--model", run, "--tokens", "12", "--seed", "1", "--threads", "2");
    expect(text).toMatch(/^The/);

    const { path } = events.findLast(({ event }) => event === "checkpoint");
    const saved = join(project, run, "trained.bin");
    const args = ["use.js", join(project, path), saved];
    const fromApi = JSON.parse(execFileSync(node.path, args, { cwd: project, encoding: "utf8" }));
    expect(fromApi.losses).toHaveLength(3);
    expect(fromApi.text).toHaveLength(12);
    results.set(node.version, { losses, text, fromApi, file: readFileSync(saved, "base64") });
  });
});

test.each(["README.md", "README.zh-CN.md"])("the program in %s runs as it stands, only shorter", (name) => {
  const [node] = programs;
  const code = sampleOf(name);
  const short = code.replace("steps: 500", "steps: 2").replace("maxTokens: 200", "maxTokens: 5");
  expect(short.length).toBe(code.length - 4);
  const file = join(project, "readme.js");
  writeFileSync(file, short);
  const [command = ""] = /npx llm-ts prepare .*/.exec(code) ?? [];
  llmTs(node, ...command.trim().split(" ").slice(2));
  expect(execFileSync(node.path, [file], { cwd: project, encoding: "utf8" })).toMatch(/^0 4\.\d+\n/);
  expect(existsSync(join(project, "romeo.bin"))).toBe(true);
  rmSync(join(project, "romeo.bin"));
});

test("a GPU needs an optional package, which is named", () => {
  const [node] = programs;
  const facts = llmTs(node, "info", "--system");
  expect(facts).toMatch(/^ {2}webgpu +not available: it needs the package webgpu: npm install webgpu$/m);
});

test.skipIf(programs.length === 1)("every Node gives the same bits", () => {
  const [first, ...others] = results.values();
  expect(results.size).toBe(programs.length);
  for (const other of others) expect(other).toEqual(first);
});
