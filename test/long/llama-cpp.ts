/**
 * llama.cpp on the GGUF files of `convert`: `npm run llama-cpp`. Installs node-llama-cpp, whose package has llama.cpp built,
 * into a temporary folder (100 MB), so it is no part of `npm test`.
 *
 * A small model is trained with each kind of tokenizer and written in each type. llama.cpp must give the same token ids for a
 * text, the same greedy continuation, and probabilities of the first token whose logarithms differ by at most the tolerance
 * of the type: llama.cpp looks GELU up in a table of float16 (2^-11 relative), and multiplies f16, bf16 and q8_0 with
 * activations rounded likewise; q8_0's are rounded to 8 bits.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { saveModelFile } from "../../src/api/model-file.ts";
import { prepareTinyshakespeare } from "../../src/data/prepare.ts";
import { trainTokenizer } from "../../src/data/train-tokenizer.ts";
import { streamOf } from "../../src/format/tensors.ts";
import { GPT2, presetConfig, TokenLoader, Trainer } from "../../src/index.ts";
import type { Tokenizer } from "../../src/tokenizer/tokenizer.ts";

const version = "3.22.1";
const steps = Number(process.env.STEPS ?? 150);
/** Tiny Shakespeare has no digits, which a tokenizer of its characters therefore lacks. */
const promptFor = (name: string) => `ROMEO:\nI'll say ${name === "characters" ? "twelve" : "12"} things to thee`;
const count = 24;
/** Of the natural logarithm of a probability. */
const tolerances = { f32: 1e-3, f16: 5e-3, bf16: 3e-2, q8_0: 5e-2 } as const;

const folder = mkdtempSync(join(tmpdir(), "llm-ts-llama-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
writeFileSync(join(folder, "package.json"), "{}");
const packages = [`node-llama-cpp@${version}`, `@node-llama-cpp/${process.platform}-${process.arch}@${version}`];
execFileSync("npm", ["install", "--omit=optional", "--ignore-scripts", "--force", ...packages], {
  cwd: folder,
  stdio: "ignore",
  shell: process.platform === "win32",
});
writeFileSync(
  join(folder, "run.mjs"),
  `import { getLlama } from "node-llama-cpp";
const [file, prompt, count] = process.argv.slice(2);
const llama = await getLlama({ build: "never", gpu: false, logLevel: "error" });
const model = await llama.loadModel({ modelPath: file });
const sequence = (await model.createContext({ contextSize: 64 })).getSequence();
const tokens = model.tokenize(prompt);
const ids = [];
let probabilities;
for await (const { token, probabilities: all } of sequence.evaluateWithMetadata(tokens, { probabilities: true }, { temperature: 0 })) {
  probabilities ??= [...all].slice(0, 20);
  ids.push(token);
  if (ids.length === Number(count)) break;
}
console.log(JSON.stringify({ tokens, ids, probabilities }));
process.exit(0);
`,
);

interface Answer {
  readonly tokens: readonly number[];
  readonly ids: readonly number[];
  readonly probabilities: readonly (readonly [number, number])[];
}

/** Largest difference of logarithms of probabilities, and how many tokens of the greedy text agree. */
async function compare(
  file: string,
  model: GPT2,
  prompt: string,
): Promise<{ difference: number; same: number; text: string }> {
  const { tokens, ids, probabilities } = JSON.parse(
    execFileSync(process.execPath, [join(folder, "run.mjs"), file, prompt, String(count)], { encoding: "utf8" }),
  ) as Answer;
  const encoded = model.tokenizer?.encode(prompt) ?? [];
  if (String(encoded) !== String(tokens)) throw new Error(`llama.cpp's ids are ${tokens}, ours ${encoded}`);
  const own: number[] = [];
  let difference = 0;
  for await (const event of model.generateSamples(encoded, { maxTokens: count, temperature: 0, logprobs: 20 })) {
    if (event.type !== "token") continue;
    if (own.length === 0)
      for (const { token, logprob } of event.top ?? []) {
        const other = probabilities.find(([id]) => id === token)?.[1];
        if (other !== undefined) difference = Math.max(difference, Math.abs(Math.log(other) - logprob));
      }
    own.push(event.token);
  }
  const apart = own.findIndex((id, i) => id !== ids[i]);
  return { difference, same: apart < 0 ? own.length : apart, text: model.tokenizer?.decode(own) ?? "" };
}

const trained = async (pattern: "gpt2" | "gpt4") =>
  (await trainTokenizer(["tinyshakespeare"], { vocabSize: 1000, pattern })).tokenizer;
const tokenizers: Readonly<Record<string, () => Promise<"char" | "byte" | Tokenizer>>> = {
  "bpe, GPT-2's split": () => trained("gpt2"),
  "bpe, GPT-4's split": () => trained("gpt4"),
  characters: async () => "char",
  bytes: async () => "byte",
};

let failed = false;
for (const [name, make] of Object.entries(tokenizers)) {
  const data = join(folder, "data", name.replaceAll(/\W/g, ""));
  await prepareTinyshakespeare(data, { tokenizer: await make() });
  const { findTokenizer } = await import("../../src/data/dataset.ts");
  const tokenizer = await findTokenizer(data);
  const config = presetConfig("baby", tokenizer?.vocabSize ?? 0);
  if (!config || !tokenizer) throw new Error("baby is a preset, and the data has a tokenizer");
  const model = await GPT2.create(config, { tokenizer });
  const trainer = new Trainer(model, { learningRate: 1e-3 });
  const loader = await TokenLoader.open(join(data, "tiny_shakespeare_train.bin"), { B: 12, T: 64, V: config.V });
  for await (const _ of trainer.run(loader, { steps, valEvery: 0, sampleEvery: 0 }));
  await trainer.dispose();
  const stream = streamOf(model.config, (tensor, start, length) =>
    model.parameters.weights.read(model.backend, tensor, start, length),
  );
  for (const [dtype, tolerance] of Object.entries(tolerances) as [keyof typeof tolerances, number][]) {
    const file = join(folder, `${name.replaceAll(/\W/g, "")}-${dtype}.gguf`);
    await saveModelFile(file, stream, { dtype, tokenizer });
    // Read back, so that both programs compute with the same numbers.
    const back = await GPT2.load(file);
    const { difference, same, text } = await compare(file, back, promptFor(name));
    await back.dispose();
    const isGood = difference <= tolerance && (same === count || dtype !== "f32");
    failed ||= !isGood;
    console.log(
      `${isGood ? "ok  " : "FAIL"} ${name.padEnd(20)} ${dtype.padEnd(5)} largest difference of log p ${difference.toExponential(1)} ` +
        `(tolerance ${tolerance}), ${same} of ${count} greedy tokens the same${dtype === "f32" ? `: ${JSON.stringify(text)}` : ""}`,
    );
  }
  await loader.close();
  await model.dispose();
}
process.exitCode = failed ? 1 : 0;
