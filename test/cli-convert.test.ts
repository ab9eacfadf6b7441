/** `llm-ts convert` as a program. */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { fixturePath } from "./fixtures.ts";
import { hubModel } from "./hub-model.ts";
import { run, testFolder, writeTokens } from "./run-cli.ts";

const folder = testFolder();
const place = (...names: string[]) => join(folder, ...names);
const convert = (...args: string[]) => run(["convert", ...args], { cwd: folder });
const json = (path: string) => JSON.parse(readFileSync(path, "utf8"));
const tiny = fixturePath("gpt2_tiny.bin");
const odd = fixturePath("gpt2_odd.bin");
const erf = fixturePath("gpt2_erf");

test("a .bin becomes a folder for transformers, and comes back byte for byte", async () => {
  const there = await convert(tiny, "tiny");
  expect(there.code, there.stderr).toBe(0);
  expect(there.stdout).toMatch(
    /^tiny\/config\.json .*\ntiny\/generation_config\.json .*\ntiny\/model\.safetensors .*\n$/,
  );
  expect(there.stderr).toMatch(/f32 to f32: .* read and written in .*main\.js generate --model tiny/s);
  expect(json(place("tiny/config.json"))).toMatchObject({ model_type: "gpt2", n_head: 4, torch_dtype: "float32" });
  expect((await convert("tiny", "new/back.bin")).code).toBe(0);
  expect(readFileSync(place("new/back.bin")).equals(readFileSync(tiny))).toBe(true);
});

test("an adapter is merged, and the merged model writes what the adapted one writes", async () => {
  const adapter = fixturePath("adapter_all");
  const { code, stderr } = await convert(tiny, "merged.bin", "--adapter", adapter);
  expect(code, stderr).toBe(0);
  const text = async (...args: string[]) =>
    (await run(["generate", "1 2 3", "-g", "12", "--temperature", "0", "--threads", "1", ...args], { cwd: folder }))
      .stdout;
  const written = await text("--model", "merged.bin");
  expect(written).toBe(await text("--model", tiny, "--adapter", adapter));
  expect(written).not.toBe(await text("--model", tiny));
  const loss = async (...args: string[]) =>
    (await run(["eval", "some.bin", "--threads", "1", ...args], { cwd: folder })).stdout;
  writeTokens(place("some.bin"), 60, 101);
  expect(await loss("--model", "merged.bin")).toBe(await loss("--model", tiny, "--adapter", adapter));

  const other = await convert(odd, "other.bin", "--adapter", adapter);
  expect(other.code).toBe(1);
  expect(other.stderr).toContain(`is an adapter of another model, of "gpt2_tiny" by its config`);
  expect(readdirSync(folder)).not.toContain("other.bin");
  const alone = await run(["generate", "--model", adapter]);
  expect(alone.code).toBe(1);
  expect(alone.stderr).toContain("is a LoRA adapter, and a model is expected. Name the one that it was trained on");
});

test("bfloat16 comes back byte for byte through safetensors, and float32 holds float16", async () => {
  expect((await convert(tiny, "half.bin", "--dtype", "bf16")).code).toBe(0);
  expect((await convert("half.bin", "half")).code).toBe(0);
  expect(json(place("half/config.json")).torch_dtype).toBe("bfloat16");
  expect((await convert("half", "again.bin")).code).toBe(0);
  expect(readFileSync(place("again.bin")).equals(readFileSync(place("half.bin")))).toBe(true);

  expect((await convert(tiny, "f16.safetensors", "--dtype", "f16")).code).toBe(0);
  expect((await convert("f16.safetensors", "f32.bin")).code).toBe(0);
  expect((await convert("f32.bin", "f16-again.safetensors", "--dtype", "f16")).code).toBe(0);
  expect(readFileSync(place("f16-again.safetensors")).equals(readFileSync(place("f16.safetensors")))).toBe(true);
});

test("what the hub has in several files, in float16, with a prefix, is read as the same in one", async () => {
  for (const [name, options] of [
    ["whole", { dtype: "F16" }],
    ["parts", { dtype: "F16", parts: 3, prefix: "transformer." }],
  ] as const) {
    mkdirSync(place(name));
    for (const [file, content] of Object.entries(hubModel(options))) writeFileSync(place(name, file), content);
    expect((await convert(name, `${name}.bin`)).code).toBe(0);
  }
  expect(readFileSync(place("parts.bin")).equals(readFileSync(place("whole.bin")))).toBe(true);
});

test("what .bin cannot hold is refused with the reason, and nothing is written", async () => {
  for (const [args, reason] of [
    [[erf, "erf.bin"], /does not fit a \.bin: its MLP has 48 hidden channels/],
    [[tiny, "tiny-f16.bin", "--dtype", "f16"], /holds float32 \(version 3\) or bfloat16 \(version 5\), not float16/],
    [[tiny, "model.onnx"], /writes llm\.c's \.bin, safetensors and GGUF/],
    [[erf, "erf.gguf"], /GGUF's gpt2 cannot hold this model: gelu is erf/],
    [[odd, "odd.gguf", "--dtype", "q8_0"], /q8_0 has a scale for 32 numbers of a row/],
    [[tiny, "tiny-q8.bin", "--dtype", "q8_0"], /q8_0 is a type of GGUF alone/],
    [[tiny, "model.GGUF"], /write the ending in small letters, \.gguf/],
    [[tiny, "model.bin", "--to", "safetensors"], /named for \.bin, and --to says safetensors/],
  ] as const) {
    const before = readdirSync(folder);
    const refused = await convert(...args);
    expect(refused.code, refused.stderr).toBe(2);
    expect(refused.stderr).toMatch(reason);
    expect(readdirSync(folder)).toEqual(before);
  }
  expect((await convert("nowhere", "x.bin")).stderr).toMatch(/nowhere does not exist/);
});

test("it keeps what it cannot say in .bin: the form of GELU, the width, epsilon", async () => {
  expect((await convert(erf, "erf")).code).toBe(0);
  expect(json(place("erf/config.json"))).toMatchObject(json(join(erf, "config.json")));
  const printed = await run(["info", "erf/model.safetensors", "--json"], { cwd: folder });
  expect(JSON.parse(printed.stdout)).toMatchObject({ hidden: 48, epsilon: 1e-6, gelu: "erf" });
});

test("nothing is replaced without --force, and other files stay", async () => {
  mkdirSync(place("kept"));
  for (const name of ["config.json", "notes.txt"]) writeFileSync(place("kept", name), "mine");
  const refused = await convert(tiny, "kept");
  expect(refused.code).toBe(2);
  expect(refused.stderr).toMatch(/kept\/config\.json exists already.*--force/);
  expect(readdirSync(place("kept"))).toEqual(["config.json", "notes.txt"]);
  expect((await convert(tiny, "kept", "--force")).code).toBe(0);
  expect(json(place("kept/config.json")).n_embd).toBe(32);
  expect(readFileSync(place("kept/notes.txt"), "utf8")).toBe("mine");

  expect((await convert(tiny, "alone/model.safetensors")).code).toBe(0);
  expect((await convert(odd, "alone/model.safetensors", "--force")).code).toBe(0);
  expect(json(place("alone/config.json"))).toMatchObject({ n_embd: 48, vocab_size: 65 });

  copyFileSync(tiny, place("self.bin"));
  expect((await convert("self.bin", "self.bin", "--force")).stderr).toMatch(/replaced by its own conversion/);
  mkdirSync(place("run"));
  writeFileSync(place("run/metrics.jsonl"), "");
  expect((await convert(tiny, "run", "--force")).stderr).toMatch(/folder of a training run/);
});

test("numbers beyond float16 stop it; NaN and infinities are reported and kept", async () => {
  const bytes = readFileSync(tiny);
  bytes.writeFloatLE(70000, 1024 + 4 * 7);
  writeFileSync(place("large.bin"), bytes);
  const refused = await convert("large.bin", "large", "--dtype", "f16");
  expect(refused.code).toBe(1);
  expect(refused.stderr).toMatch(/wte\[7\] is 70000, and float16 holds numbers up to 65504/);
  bytes.writeUInt32LE(0x7fc12345, 1024 + 4 * 7);
  writeFileSync(place("nan.bin"), bytes);
  const kept = await convert("nan.bin", "nan");
  expect(kept.stderr).toMatch(/warning: numbers that are NaN or infinite: 1 \(wte\[7\] is NaN\)/);
  await convert("nan", "nan-again.bin");
  expect(readFileSync(place("nan-again.bin")).equals(bytes)).toBe(true);
  expect(readdirSync(folder).filter((name) => name.endsWith(".tmp"))).toEqual([]);
});

/** Safetensors as other programs write them: nothing but tensors, and no config.json beside them. */
function stripped(from: string, to: string): void {
  const bytes = readFileSync(from);
  const length = Number(bytes.readBigUInt64LE(0));
  const { __metadata__: _, ...tensors } = JSON.parse(bytes.toString("utf8", 8, 8 + length));
  const header = Buffer.from(JSON.stringify(tensors));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(header.length));
  mkdirSync(join(to, ".."), { recursive: true });
  writeFileSync(to, Buffer.concat([size, header, bytes.subarray(8 + length)]));
}

test("a number of heads that no file has is asked for, or said to be assumed", async () => {
  const narrow = place("narrow/model.safetensors");
  stripped(place("tiny/model.safetensors"), narrow);
  const asked = await run(["generate", "1", "--model", "narrow", "-g", "1"], { cwd: place("") });
  expect(asked.stderr).toMatch(
    /narrow\/model\.safetensors does not have the number of attention heads of its 32 channels/,
  );
  expect(asked.code).toBe(1);
  expect((await convert("narrow", "narrow4", "--heads", "4")).code).toBe(0);
  expect(json(place("narrow4/config.json"))).toMatchObject({
    n_head: 4,
    _assumed: ["layer_norm_epsilon", "activation_function"],
  });
  const back = await convert("narrow4", "narrow4.bin");
  expect(back.stderr).not.toContain("assumed");
  expect(readFileSync(place("narrow4.bin")).equals(readFileSync(tiny))).toBe(true);
  const contrary = await convert("narrow4", "x", "--heads", "2");
  expect(contrary.stderr).toMatch(/has 4 attention heads by its own files, and --heads says 2/);
  expect(contrary.code).toBe(2);

  const sizes = "--layers 1 --heads 2 --channels 128 --context 16 --vocab 101 -t 8 -b 1 -x 0 -s 0 -v 0".split(" ");
  writeTokens(place("tokens.bin"), 100, 101);
  const trained = await run(["train", "--model", "custom", ...sizes, "-i", "tokens.bin", "-o", "wide"], {
    cwd: place(""),
  });
  expect(trained.code, trained.stderr).toBe(0);
  expect((await convert("wide", "wide-folder")).code).toBe(0);
  stripped(place("wide-folder/model.safetensors"), place("guessed/model.safetensors"));
  const printed = await run(["generate", "1", "--model", "guessed", "-g", "1"], { cwd: place("") });
  expect(printed.stderr).toMatch(
    /guessed\/model\.safetensors has no config\.json beside it: 2 attention heads \(one for every 64/,
  );
  expect(printed.code).toBe(0);
  const written = await convert("guessed", "guessed2");
  expect(written.stderr).toContain("2 attention heads (one for every 64 channels)");
  expect(json(place("guessed2/config.json"))).toMatchObject({
    n_head: 2,
    _assumed: expect.arrayContaining(["n_head"]),
  });
});

test("GGUF and back is the same model, with its tokenizer inside", async () => {
  expect((await convert(tiny, "tiny.gguf")).code).toBe(0);
  expect((await convert("tiny.gguf", "from-gguf.bin")).code).toBe(0);
  expect(readFileSync(place("from-gguf.bin")).equals(readFileSync(tiny))).toBe(true);
  const trained = ["train", "-e", "custom", "--layers", "1", "--heads", "1", "--channels", "32", "-t", "8", "-b", "2"];
  const prepared = await run(["prepare", "tinyshakespeare", "--tokenizer", "bpe:300", "-o", "own"], { cwd: folder });
  expect(prepared.code).toBe(0);
  await run([...trained, "-i", "own", "-x", "2", "-s", "0", "-v", "0", "-o", "own-run"], { cwd: folder });
  expect((await convert("own-run", "own.gguf", "--dtype", "q8_0")).code).toBe(0);
  const info = await run(["info", "own.gguf", "--json"], { cwd: folder });
  expect(JSON.parse(info.stdout)).toMatchObject({
    format: "GGUF model",
    dtype: "q8_0",
    V: 300,
    tokenizer: "huggingface, 300 tokens",
  });
  const written = await run(["generate", "To be", "-e", "own.gguf", "--tokens", "3"], { cwd: folder });
  expect([written.code, written.stdout]).toEqual([0, expect.stringContaining("To be")]);
  expect((await convert("own.gguf", "own-folder")).code).toBe(0);
  expect(readdirSync(place("own-folder"))).toContain("tokenizer.json");
  expect(readFileSync(place("own-folder/merges.txt"))).toEqual(readFileSync(place("own/merges.txt")));
});

test("a folder for transformers.js has the graph, its configuration and the tokenizer, and is replaced by --force", async () => {
  const { code, stdout, stderr } = await convert("own-run", "web", "--to", "onnx");
  expect(code, stderr).toBe(0);
  expect(stdout.split("\n").map((line) => line.split("  ")[0])).toEqual([
    "web/config.json",
    "web/generation_config.json",
    "web/merges.txt",
    "web/onnx/model.onnx",
    "web/tokenizer.json",
    "web/tokenizer_config.json",
    "web/vocab.json",
    "",
  ]);
  expect(stderr).toContain('pipeline("text-generation", "./web")');
  expect(json(place("web/config.json"))).toMatchObject({
    model_type: "gpt2",
    "transformers.js_config": { dtype: "fp32" },
  });
  const refused = await convert("own-run", "web", "--format", "onnx");
  expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining("onnx/model.onnx exists already")]);
  writeFileSync(place("web/onnx/notes.txt"), "mine");
  const again = await convert(tiny, "web", "--to", "onnx", "--force");
  expect(again.stderr).toContain("give it token ids");
  expect(again.stderr).not.toContain("pipeline(");
  expect(readdirSync(place("web")).sort()).toEqual(["config.json", "generation_config.json", "onnx"]);
  expect(readdirSync(place("web/onnx")).sort()).toEqual(["model.onnx", "notes.txt"]);
  expect((await convert(tiny, "bf16", "--to", "onnx", "--dtype", "bf16")).stderr).toMatch(
    /ONNX is written in f32 alone/,
  );
});

test("a folder's other model keeps its config.json and tokenizer, and the same one stays beside it", async () => {
  expect((await convert("own-run", "page", "--to", "onnx")).code).toBe(0);
  const same = await convert("own-run", "page", "--force");
  expect(same.code, same.stderr).toBe(0);
  expect(readdirSync(place("page"))).toEqual(expect.arrayContaining(["model.safetensors", "onnx"]));
  expect(json(place("page/config.json"))).toHaveProperty(["transformers.js_config", "dtype"], "fp32");
  expect((await convert("own-run", "page", "--to", "onnx", "--force")).code).toBe(0);

  mkdirSync(place("other"));
  for (const file of ["config.json", "model.safetensors"])
    writeFileSync(place("other", file), hubModel({ V: 300 })[file]);
  const before = readdirSync(place("page")).map((name) => [name, statSync(place("page", name)).mtimeMs]);
  for (const [model, ...to] of [[tiny], [tiny, "--to", "onnx"], ["other"], [tiny, "--to", "safetensors"]]) {
    const refused = await convert(model, "page", ...to, "--force");
    expect(refused.stderr).toMatch(/page holds another model, (onnx.)?model\.(onnx|safetensors), .*or remove page/);
    expect(refused.code).toBe(2);
  }
  const single = await convert(tiny, "page/new.safetensors", "--force");
  expect([single.code, single.stderr]).toEqual([2, expect.stringContaining("page holds another model")]);
  expect(readdirSync(place("page")).map((name) => [name, statSync(place("page", name)).mtimeMs])).toEqual(before);
});

test("a vocabulary without an end of text says where llama.cpp ends", async () => {
  const model = ["-e", "custom", "--layers", "1", "--heads", "1", "--channels", "8", "-t", "8", "-b", "2"];
  await run(["prepare", "tinyshakespeare", "--tokenizer", "char", "-o", "chars"], { cwd: folder });
  await run(["train", ...model, "-i", "chars", "-x", "1", "-s", "0", "-v", "0", "-o", "char-run"], { cwd: folder });
  const { code, stderr } = await convert("char-run", "chars.gguf");
  expect([code, stderr]).toEqual([0, expect.stringMatching(/no token that ends a text.*there it ends at "\$"/)]);
});

test("a tokenizer inside a GGUF is one for other commands, a folder's model.gguf its model, and q8_0 stays", async () => {
  const encoded = await run(["encode", "To be", "--tokenizer", "own.gguf"], { cwd: folder });
  const expected = await run(["encode", "To be", "--tokenizer", "own"], { cwd: folder });
  expect([encoded.code, encoded.stdout]).toEqual([0, expected.stdout]);
  expect((await convert("own.gguf", "gguf-folder", "--to", "gguf")).stderr).toContain("q8_0 to q8_0");
  expect(readFileSync(place("gguf-folder/model.gguf"))).toEqual(readFileSync(place("own.gguf")));
  const written = await run(["generate", "To be", "-e", "gguf-folder", "--tokens", "2"], { cwd: folder });
  expect(written.code).toBe(0);
});

test("what debug-state and trace do not write themselves, they do not replace", async () => {
  copyFileSync(tiny, place("keep.bin"));
  writeFileSync(place("package.json"), "{}\n");
  writeTokens(place("tokens.bin"), 200, 101);
  const of = ["--model", "keep.bin"];
  const state = await run(["debug-state", ...of, "-i", "tokens.bin", "-b", "1", "-t", "4", "--out", "keep.bin"], {
    cwd: folder,
  });
  expect([state.code, state.stderr]).toEqual([
    1,
    expect.stringContaining("keep.bin exists already, and is no debug state"),
  ]);
  const trace = (out: string) =>
    run(["trace", ...of, "--data", "tokens.bin", "-b", "1", "-t", "4", "--out", out], { cwd: folder });
  expect((await trace("package.safetensors")).stderr).toContain("package.json exists already, and is no trace's JSON");
  await convert(tiny, "keep.safetensors");
  expect((await trace("keep.safetensors")).stderr).toContain("keep.safetensors exists already, and is no trace");
  expect(readFileSync(place("keep.bin")).equals(readFileSync(tiny))).toBe(true);
  expect([(await trace("t.safetensors")).code, (await trace("t.safetensors")).code]).toEqual([0, 0]);
});

test("eval refuses data in other tokens than the model's", async () => {
  const { code, stderr } = await run(["eval", "chars", "-e", "own-run"], { cwd: folder });
  expect([code, stderr]).toEqual([
    1,
    expect.stringContaining("chars was prepared with other tokens (char, 65) than the model knows"),
  ]);
});
