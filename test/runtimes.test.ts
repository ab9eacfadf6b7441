/** Deno and Bun, both from npm: the command and the library train and generate there. Skipped where npm cannot install one. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { cli, root } from "./nodes.ts";
import { run, testFolder } from "./run-cli.ts";

const folder = testFolder();
const env = { ...process.env, LLM_TS_CACHE: join(folder, "cache"), HF_HUB_OFFLINE: "1", DENO_NO_UPDATE_CHECK: "1" };
const inFolder = (...names: string[]) => join(folder, ...names);

/** Loads a model that Node has trained and saved, continues its training, and writes. */
const program = `
import { GPT2, TokenLoader, Trainer } from "llm-ts";
const [model, out] = process.argv.slice(2);
const gpt2 = await GPT2.load(model, { threads: 2 });
const trainer = new Trainer(gpt2, { learningRate: 1e-3 });
const loader = await TokenLoader.open("data", { B: 2, T: 16 });
const losses = [];
for await (const event of trainer.run(loader, { steps: 3, sampleEvery: 0 }))
  if (event.type === "step") losses.push(event.loss);
let text = "";
for await (const piece of gpt2.generate("The", { maxTokens: 8, temperature: 0 })) text += piece;
await gpt2.save(out);
await trainer.dispose();
await gpt2.dispose();
console.log(JSON.stringify({ losses, text, fma: gpt2.backend.promises.fma, description: gpt2.backend.description }));
`;

const train = ["train", "--model", "custom", "--layers", "1", "--heads", "2", "--channels", "16", "--context", "32"];
const options = ["-i", "data", "-b", "2", "-t", "16", "-x", "4", "-s", "0", "--threads", "2", "--json"];

beforeAll(async () => {
  writeFileSync(inFolder("package.json"), '{ "private": true, "type": "module" }\n');
  writeFileSync(inFolder("use.js"), program);
  writeFileSync(inFolder("text.txt"), "The quick brown fox jumps over the lazy dog.\n".repeat(100));
  await run(["prepare", "text.txt", "--tokenizer", "char", "-o", "data"], { cwd: folder });
  await run([...train, ...options, "-o", "by-node"], { cwd: folder, env });
}, 120_000);

describe.each([
  { name: "deno", program: ["node_modules", "deno", "deno"], args: ["run", "-A"] },
  { name: "bun", program: ["node_modules", "bun", "bin", "bun.exe"], args: [] },
])("$name", { timeout: 300_000 }, ({ name, program, args }) => {
  const start = (...more: string[]) =>
    execFileSync(inFolder(...program), [...args, ...more], { cwd: folder, env, encoding: "utf8", stdio: "pipe" });

  test("trains and writes, through the command and the library, as Node does", (context) => {
    const problem = install(name, inFolder(...program));
    if (problem !== undefined) {
      console.warn(`SKIPPED: nothing is run on ${name}, since npm cannot install it here: ${problem}`);
      return context.skip();
    }
    if (!existsSync(inFolder("node_modules", "llm-ts")))
      symlinkSync(root, inFolder("node_modules", "llm-ts"), "junction");
    const lines = start(cli, ...train, ...options, "-o", `by-${name}`)
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    const losses = (events: { event: string; loss: number }[]) =>
      events.filter(({ event }) => event === "step").map(({ loss }) => loss);
    const byNode = readFileSync(inFolder("by-node", "metrics.jsonl"), "utf8").trim().split("\n");
    const expected = losses(byNode.map((line) => JSON.parse(line)));
    const found = losses(lines);
    expect(found).toHaveLength(4);
    // Bun's engine has other last bits in Math.cos and Math.log, of which initial weights are made.
    for (const [i, loss] of found.entries()) expect(Math.abs(loss - (expected[i] ?? 0))).toBeLessThan(1e-5);
    if (name === "deno") expect(found).toEqual(expected);
    expect(start(cli, "generate", "The", "--model", `by-${name}`, "--tokens", "5")).toMatch(/^The/);

    const model = "by-node/model_00000004.bin";
    const node = JSON.parse(
      execFileSync(process.execPath, ["use.js", model, "node.bin"], { cwd: folder, env, encoding: "utf8" }),
    );
    const here = JSON.parse(start("use.js", model, `${name}.bin`));
    expect(here).toMatchObject({ text: node.text, description: expect.stringMatching(/^wasm, .*2 threads/) });
    for (const [i, loss] of node.losses.entries()) expect(Math.abs(here.losses[i] - loss)).toBeLessThan(1e-5);
    // Bun's engine rounds between multiplication and addition, as its backend says.
    if (here.fma !== node.fma) return;
    expect(here.losses).toEqual(node.losses);
    expect(readFileSync(inFolder(`${name}.bin`)).equals(readFileSync(inFolder("node.bin")))).toBe(true);
  });
});

/** Installs a runtime from npm; why that cannot be. */
function install(name: string, program: string): string | undefined {
  const options = ["--no-audit", "--no-fund", "--prefer-offline"];
  try {
    execFileSync("npm", ["install", ...options, name], { cwd: folder, stdio: "pipe" });
  } catch (error) {
    return String(error).slice(0, 300);
  }
  return existsSync(program) ? undefined : `there is no ${program}`;
}
