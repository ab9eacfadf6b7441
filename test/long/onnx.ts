/**
 * onnxruntime and transformers.js on the folders of `convert --to onnx`: `npm run onnx-runtimes`. Installs both into a temporary
 * folder (500 MB), so it is no part of `npm test`.
 *
 * A small model is trained with each form of GELU. onnxruntime must give our logits within 1e-3, for a text at once, for the
 * same text token by token with its cache, and in a batch behind padding; transformers.js must encode a text to our ids, and
 * continue it greedily with our tokens.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createBackend } from "../../src/backend/registry.ts";
import { findTokenizer } from "../../src/data/dataset.ts";
import { prepareTinyshakespeare } from "../../src/data/prepare.ts";
import { trainTokenizer } from "../../src/data/train-tokenizer.ts";
import { GPT2, presetConfig, TokenLoader, Trainer } from "../../src/index.ts";
import { forward, logits } from "../../src/model/gpt2.ts";
import { allocTrainWorkspace } from "../../src/model/workspace.ts";
import { fixturePath } from "../fixtures.ts";
import { cli } from "../nodes.ts";

const versions = { "onnxruntime-node": "1.30.0", "@huggingface/transformers": "4.3.2" };
const steps = Number(process.env.STEPS ?? 300);
const prompt = "ROMEO:\nI'll say 12 things to thee";
const count = 24;
const tolerance = 1e-3;

const folder = mkdtempSync(join(tmpdir(), "llm-ts-onnx-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
writeFileSync(join(folder, "package.json"), "{}");
execFileSync(
  "npm",
  ["install", "--ignore-scripts", ...Object.entries(versions).map(([name, version]) => `${name}@${version}`)],
  { cwd: folder, stdio: "ignore", shell: process.platform === "win32" },
);
writeFileSync(
  join(folder, "logits.mjs"),
  `import ort from "onnxruntime-node";
const [file, given, L, NH, size] = process.argv.slice(2);
const tokens = JSON.parse(given);
const session = await ort.InferenceSession.create(file);
const int64 = (rows) => new ort.Tensor("int64", BigInt64Array.from(rows.flat(), BigInt), [rows.length, rows[0].length]);
const empty = (B) => Object.fromEntries(Array.from({ length: Number(L) }, (_, l) => ["key", "value"].map((part) =>
  ["past_key_values." + l + "." + part, new ort.Tensor("float32", new Float32Array(0), [B, Number(NH), 0, Number(size)])])).flat());
const run = (ids, mask, positions, past) => session.run({ input_ids: int64(ids), attention_mask: int64(mask), position_ids: int64(positions), ...past });
const all = tokens.map((_, i) => i);
const whole = await run([tokens], [tokens.map(() => 1)], [all], empty(1));
const steps = [];
let past = empty(1);
for (const [i, token] of tokens.entries()) {
  const out = await run([[token]], [Array(i + 1).fill(1)], [[i]], past);
  steps.push(...out.logits.data);
  past = Object.fromEntries(Object.entries(out).filter(([name]) => name !== "logits").map(([name, value]) => [name.replace("present", "past_key_values"), value]));
}
// The second row: the text without its first two tokens, behind two that are masked.
const behind = [0, 0, ...tokens.slice(2)];
const padded = await run([tokens, behind], [tokens.map(() => 1), [0, 0, ...tokens.slice(2).map(() => 1)]], [all, [0, 0, ...all.slice(0, -2)]], empty(2));
const alone = await run([tokens.slice(2)], [tokens.slice(2).map(() => 1)], [all.slice(0, -2)], empty(1));
const V = whole.logits.dims[2];
const second = padded.logits.data.subarray((tokens.length + 2) * V);
console.log(JSON.stringify({ whole: [...whole.logits.data], steps, padding: Math.max(...alone.logits.data.map((x, i) => Math.abs(x - second[i]))) }));
`,
);
writeFileSync(
  join(folder, "write.mjs"),
  `import { env, pipeline } from "@huggingface/transformers";
env.allowRemoteModels = false;
env.localModelPath = "";
const [path, prompt, count] = process.argv.slice(2);
const write = await pipeline("text-generation", path);
const { input_ids } = write.tokenizer(prompt);
const [{ generated_text }] = await write(prompt, { max_new_tokens: Number(count), do_sample: false, eos_token_id: -1 });
console.log(JSON.stringify({ tokens: [...input_ids.data].map(Number), text: generated_text }));
`,
);

/** What a program of the folder prints, as JSON. */
function ask<T>(program: string, ...args: readonly string[]): T {
  const options = { encoding: "utf8", maxBuffer: 1e9, cwd: folder } as const;
  return JSON.parse(execFileSync(process.execPath, [join(folder, program), ...args], options).trim());
}

/** Logits after each of `tokens`, of the V tokens. */
async function logitsOf({ backend, parameters, config }: GPT2, tokens: readonly number[]): Promise<Float32Array> {
  const [T, { V, Vp }] = [tokens.length, config];
  const workspace = allocTrainWorkspace(backend, config, 1, T);
  await backend.write(workspace.tokens, Int32Array.from(tokens));
  forward(backend, parameters, workspace);
  const out = backend.alloc([T, Vp]);
  logits(backend, parameters, out, workspace.lnf.out);
  const all = await backend.read(out);
  return Float32Array.from({ length: T * V }, (_, i) => all[Math.floor(i / V) * Vp + (i % V)]);
}

const largest = (a: ArrayLike<number>, b: readonly number[]) =>
  b.reduce((most, value, i) => Math.max(most, Math.abs(value - a[i])), 0);

const data = join(folder, "data");
const { tokenizer: made } = await trainTokenizer(["tinyshakespeare"], { vocabSize: 1000 });
await prepareTinyshakespeare(data, { tokenizer: made });
const tokenizer = await findTokenizer(data);
const preset = presetConfig("baby", tokenizer?.vocabSize ?? 0);
if (!preset || !tokenizer) throw new Error("baby is a preset, and the data has a tokenizer");

let failed = false;

/** Converts a model and compares its logits; prints, with `more`, whether all is well. */
async function check(name: string, path: string, tokens: readonly number[], more = { isGood: true, text: "" }) {
  const onnx = join(folder, name, "onnx");
  const oracle = await GPT2.load(path, { backend: await createBackend("reference") });
  const expected = await logitsOf(oracle, tokens);
  const { L, NH, C } = oracle.config;
  const found = ask<Record<"whole" | "steps", number[]> & { padding: number }>(
    "logits.mjs",
    ...[join(onnx, "onnx/model.onnx"), JSON.stringify(tokens), ...[L, NH, C / NH].map(String)],
  );
  await oracle.dispose();
  const differences = {
    whole: largest(expected, found.whole),
    "token by token": largest(expected, found.steps),
    padding: found.padding,
  };
  const isGood = more.isGood && Object.values(differences).every((one) => one <= tolerance);
  failed ||= !isGood;
  const shown = Object.entries(differences).map(([what, value]) => `${what} ${value.toExponential(1)}`);
  console.log(`${isGood ? "ok  " : "FAIL"} ${name}: largest difference of logits: ${shown.join(", ")}${more.text}`);
}

const convert = (path: string, name: string) =>
  execFileSync(process.execPath, [cli, "convert", path, join(folder, name, "onnx"), "--to", "onnx"], {
    stdio: "ignore",
  });

for (const gelu of ["tanh", "erf"] as const) {
  const config = { ...preset, gelu };
  const model = await GPT2.create(config, { tokenizer });
  const trainer = new Trainer(model, { learningRate: 1e-3 });
  const loader = await TokenLoader.open(join(data, "tiny_shakespeare_train.bin"), { B: 12, T: 64, V: config.V });
  for await (const _ of trainer.run(loader, { steps, valEvery: 0, sampleEvery: 0 }));
  await trainer.dispose();
  await loader.close();
  const own = join(folder, gelu, "own");
  mkdirSync(own, { recursive: true });
  await model.save(join(own, "model.safetensors"));
  convert(own, gelu);
  const tokens = tokenizer.encode(prompt);
  const ids: number[] = [];
  for await (const event of model.generateSamples(tokens, { maxTokens: count, temperature: 0 }))
    if (event.type === "token") ids.push(event.token);
  await model.dispose();
  const text = tokenizer.decode([...tokens, ...ids]);
  const theirs = ask<{ tokens: number[]; text: string }>(
    "write.mjs",
    join(folder, gelu, "onnx"),
    prompt,
    String(count),
  );
  const isSame = String(theirs.tokens) === String(tokens) && theirs.text === text;
  const said = `; transformers.js: ${isSame ? "the same text" : "another text"}: ${JSON.stringify(theirs.text)}`;
  await check(gelu, join(own, "model.safetensors"), tokens, { isGood: isSame, text: said });
}
// The fixtures whose files src/format/onnx.test.ts knows.
for (const [name, file] of [
  ["tiny", "gpt2_tiny.bin"],
  ["odd-gelu", "gpt2_erf/model.safetensors"],
] as const) {
  convert(fixturePath(file), name);
  await check(name, fixturePath(file), [5, 1, 4, 2, 3, 0, 6]);
}
console.log(
  `onnxruntime ${versions["onnxruntime-node"]}, transformers.js ${versions["@huggingface/transformers"]}; tolerance ${tolerance}`,
);
process.exitCode = failed ? 1 : 0;
