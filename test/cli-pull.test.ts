/** `llm-ts pull`, and the commands that pull by themselves, against a hub on this machine. */
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Xorshift64 } from "../src/random/xorshift.ts";
import { FakeHub, sha256 } from "./fake-hub.ts";
import { hubModel, valueAt } from "./hub-model.ts";
import { result, run, start, testFolder } from "./run-cli.ts";

const folder = testFolder();
let hub: FakeHub;
const gpt2 = "openai-community/gpt2";

beforeAll(async () => {
  hub = await FakeHub.start();
  // Small, but with GPT-2's vocabulary: its tokenizer is known without a file.
  hub.add(gpt2, { ...hubModel({ V: 50257 }), "pytorch_model.bin": "x", "README.md": "" });
});
afterAll(() => hub.stop());

let folders = 0;

/** An empty working folder, and the environment: this hub, and a new cache unless one is given. */
function place(cache?: string) {
  const cwd = join(folder, String(folders++));
  mkdirSync(cwd);
  const home = cache ?? join(cwd, "cache");
  return {
    cwd,
    home,
    env: { HF_ENDPOINT: hub.endpoint, HF_HOME: home, HF_HUB_OFFLINE: "", HF_HUB_DOWNLOAD_TIMEOUT: "5" },
  };
}

const visible = (cwd: string) =>
  readdirSync(cwd)
    .filter((name) => name !== "cache")
    .sort();

function headerOf(path: string): Int32Array {
  return new Int32Array(new Uint8Array(readFileSync(path).subarray(0, 1024)).buffer);
}

test("gpt2 comes as llm.c's files, and the other commands take them from there", async () => {
  const { cwd, env } = place();
  const pulled = await run(["pull", "gpt2"], { cwd, env });
  expect(pulled.code, pulled.stderr).toBe(0);
  expect(pulled.stdout).toMatch(
    /^gpt2_124M\.bin {2}1\.\d+ MB\ngpt2_124M_bf16\.bin {2}\d+ kB\ngpt2_tokenizer\.bin {2}\d+ kB\n$/,
  );
  expect(pulled.stderr).toMatch(
    /Downloading openai-community\/gpt2 \(main, commit 0123456\): 1\.\d+ MB from 127\.0\.0\.1:\d+ into/,
  );
  expect(pulled.stderr).toMatch(/gpt2: 100%/);
  expect(visible(cwd)).toEqual(["gpt2_124M.bin", "gpt2_124M_bf16.bin", "gpt2_tokenizer.bin"]);
  expect([...headerOf(join(cwd, "gpt2_124M.bin")).subarray(0, 8)]).toEqual([20240326, 3, 16, 50257, 2, 2, 8, 50304]);
  expect(headerOf(join(cwd, "gpt2_124M_bf16.bin"))[1]).toBe(5);
  const written = await run(["generate", "Hello", "--model", "gpt2", "-g", "3"], { cwd, env: { HF_HUB_OFFLINE: "1" } });
  expect(written.code, written.stderr).toBe(0);
  expect(written.stdout).toMatch(/^Hello/);
});

test("train without a model file downloads GPT-2, once", async () => {
  const { cwd, env } = place();
  const args = ["train", "-x", "1", "-b", "1", "-t", "8", "-m", "1", "-s", "0", "--threads", "1", "--json"];
  const trained = await run(args, { cwd, env });
  expect(trained.code, trained.stderr).toBe(0);
  expect(trained.stderr).toContain("Downloading openai-community/gpt2");
  expect(trained.stdout).toMatch(/"event":"step","step":0,"loss":\d/);
  const asked = hub.asked.length;
  const again = await run(["generate", "Hi", "--model", "gpt2", "-g", "1"], { cwd, env });
  expect(again.stdout).toMatch(/^Hi/);
  expect(hub.asked.length).toBe(asked);
});

test("without the cache and the network, the error names what needs neither", async () => {
  const { cwd, env } = place();
  const found = await run(["generate", "--model", "gpt2"], { cwd, env: { ...env, HF_ENDPOINT: "http://127.0.0.1:9" } });
  expect(found.code).toBe(1);
  expect(found.stderr).toMatch(/127\.0\.0\.1:9 broke off.*--model d12.*--model baby/s);
});

test("every form that weights come in gives the same files", async () => {
  const forms = {
    plain: hubModel(),
    half: hubModel({ dtype: "F16", prefix: "transformer." }),
    parts: hubModel({ dtype: "BF16", parts: 3 }),
    "parts-behind-a-prefix": hubModel({ parts: 2, prefix: "transformer." }),
  };
  const contents = new Set<string>();
  const { cwd, env } = place();
  for (const [name, files] of Object.entries(forms)) {
    hub.add(`someone/${name}`, files);
    const pulled = await run(["pull", `someone/${name}`, "--json"], { cwd, env });
    expect(pulled.code, pulled.stderr).toBe(0);
    const report = JSON.parse(pulled.stdout);
    expect(report).toMatchObject({ repository: `someone/${name}`, commit: hub.commit, folder: name });
    expect(report.files).toEqual([join(name, `${name}.bin`), join(name, `${name}_bf16.bin`)]);
    contents.add(report.files.map((file: string) => sha256(readFileSync(join(cwd, file)))).join());
  }
  expect(contents.size).toBe(1);
  // wte has 128 rows here, wpe 16, then ln1w and ln1b of two layers; qkvw is (out, in), the hub's is (in, out).
  const floats = new Float32Array(new Uint8Array(readFileSync(join(cwd, "plain/plain.bin"))).buffer, 1024);
  const qkvw = 8 * (128 + 16 + 2 + 2);
  expect(floats[qkvw + 5 * 8 + 3]).toBe(valueAt(3 * 24 + 5));
  expect(floats[8 * 100 + 7]).toBe(valueAt(8 * 100 + 7));
  expect(floats[8 * 101]).toBe(0);
});

test("what a .bin cannot hold stays safetensors, and says why", async () => {
  const { cwd, env } = place();
  const cases = [
    ["narrow", { n_inner: 16 }, /16 hidden channels.*4C = 32/],
    ["steady", { layer_norm_epsilon: 1e-6 }, /epsilon is 0\.000001/],
    ["exact", { activation_function: "gelu" }, /its GELU is the erf form/],
  ] as const;
  for (const [name, config, message] of cases) {
    hub.add(`someone/${name}`, hubModel({ config }));
    const pulled = await run(["pull", `someone/${name}`], { cwd, env });
    expect(pulled.code, pulled.stderr).toBe(0);
    expect(pulled.stderr).toMatch(/is kept as safetensors: /);
    expect(pulled.stderr).toMatch(message);
    expect(visible(join(cwd, name))).toEqual(["config.json", "model.safetensors"]);
  }
  const written = await run(["generate", "--model", "narrow", "-g", "4", "--json"], { cwd, env });
  expect(JSON.parse(written.stdout).tokens).toHaveLength(4);
});

test("safetensors on request, in one file or several", async () => {
  const { cwd, env } = place();
  hub.add("someone/two", hubModel({ parts: 2, config: { n_inner: 16 } }));
  const pulled = await run(["pull", "someone/two", "--format", "safetensors", "-o", "here"], { cwd, env });
  expect(pulled.code, pulled.stderr).toBe(0);
  expect(visible(join(cwd, "here"))).toEqual([
    "config.json",
    "model-00001-of-00002.safetensors",
    "model-00002-of-00002.safetensors",
    "model.safetensors.index.json",
  ]);
  const written = await run(["generate", "--model", "here", "-g", "4", "--json"], { cwd, env });
  expect(written.code, written.stderr).toBe(0);
  expect(JSON.parse(written.stdout).tokens).toHaveLength(4);
});

test("safetensors never come beside another model's tokenizer", async () => {
  const { cwd, env } = place();
  hub.add("someone/plain", hubModel());
  writeFileSync(join(cwd, "a.txt"), "abcdefgh\n".repeat(60));
  await run(["prepare", "a.txt", "--tokenizer", "char", "-o", "here"], { cwd, env });
  const before = readdirSync(join(cwd, "here"));
  const refused = await run(["pull", "someone/plain", "--format", "safetensors", "-o", "here"], { cwd, env });
  expect(refused.code).toBe(1);
  expect(refused.stderr).toMatch(/here holds another tokenizer \(tokenizer\.bin\).*into a folder of its own/s);
  expect(readdirSync(join(cwd, "here"))).toEqual(before);
  const again = ["pull", "someone/plain", "--format", "safetensors", "-o", "there"];
  for (let i = 0; i < 2; i++) expect((await run(again, { cwd, env })).code).toBe(0);
});

test("what exists and differs is kept without --force, and a second pull changes nothing", async () => {
  const { cwd, env } = place();
  hub.add("someone/first", hubModel());
  hub.add("someone/second", hubModel({ V: 90 }));
  hub.add("someone/third", hubModel({ dtype: "F16", prefix: "transformer." }));
  const pull = (name: string, ...args: string[]) => run(["pull", `someone/${name}`, ...args], { cwd, env });
  const contents = () => visible(join(cwd, "first")).map((name) => sha256(readFileSync(join(cwd, "first", name))));
  for (const format of ["bin", "safetensors"]) {
    expect((await pull("first", "--format", format)).code).toBe(0);
    const again = await pull("first", "--format", format);
    expect(again.code, again.stderr).toBe(0);
    expect(again.stderr).toMatch(/first\S*(, first\S*)+ were there already, with the same content/);
  }
  const before = contents();
  // The fine-tuned model of somebody, as it were: of another shape, and of the same with other bytes.
  const other = await pull("second", "--format", "safetensors", "-o", "first");
  expect(other.stderr).toMatch(/first.config\.json exists already, and is another file.*--force/s);
  expect(other.code).toBe(2);
  expect(hub.downloads("someone/second/model.safetensors")).toEqual([]);
  const half = await pull("third", "--format", "safetensors", "-o", "first");
  expect(half.stderr).toMatch(/first.model\.safetensors exists already, and is another file/);
  expect(hub.downloads("someone/third/model.safetensors")).toEqual([]);
  const forced = await pull("third", "--format", "safetensors", "-o", "first", "--force");
  expect(forced.code, forced.stderr).toBe(0);
  expect(forced.stderr).toMatch(/first.config\.json was there already/);
  expect(contents()).not.toEqual(before);

  // No model, one of another shape, and one of the same with another weight.
  const bin = join(cwd, "first", "first.bin");
  const whole = readFileSync(bin);
  const changed = Buffer.from(whole);
  changed[2000] ^= 1;
  for (const content of ["mine", whole.subarray(0, 1024), changed]) {
    writeFileSync(bin, content);
    const refused = await pull("first");
    expect(refused.stderr).toMatch(/first.first\.bin exists already, and is another file than the one to be written/);
    expect(refused.code).toBe(2);
    expect(readFileSync(bin)).toEqual(Buffer.from(content));
  }
  const replaced = await pull("first", "--force");
  expect(replaced.code, replaced.stderr).toBe(0);
  expect(readFileSync(bin)).toEqual(whole);
});

test("what is no model is refused before the weights are downloaded", async () => {
  const { cwd, env } = place();
  hub.add("someone/late", hubModel());
  mkdirSync(join(cwd, "late"));
  writeFileSync(join(cwd, "late", "late_bf16.bin"), "mine");
  const refused = await run(["pull", "someone/late"], { cwd, env });
  expect(refused.stderr).toMatch(/late.late_bf16\.bin exists already/);
  expect(hub.downloads("someone/late/model.safetensors")).toEqual([]);
  expect(visible(join(cwd, "late"))).toEqual(["late_bf16.bin"]);
});

test("files are copies: a change of one leaves the cache as it is", async () => {
  const { cwd, home, env } = place();
  hub.add("someone/mine", hubModel());
  const pull = () => run(["pull", "someone/mine", "--format", "safetensors", "-o", "mine"], { cwd, env });
  expect((await pull()).code).toBe(0);
  const snapshot = join(home, "hub", "models--someone--mine", "snapshots", hub.commit);
  for (const name of visible(join(cwd, "mine"))) {
    const path = join(cwd, "mine", name);
    const cached = readFileSync(join(snapshot, name));
    expect(statSync(path).nlink).toBe(1);
    expect(readFileSync(path)).toEqual(cached);
    writeFileSync(path, "x", { flag: "r+" });
    expect(readFileSync(join(snapshot, name))).toEqual(cached);
  }
});

test("a model in parts does not come beside one in a single file, which would be read", async () => {
  const { cwd, env } = place();
  hub.add("someone/whole", hubModel());
  hub.add("someone/pieces", hubModel({ parts: 2 }));
  const pull = (name: string) =>
    run(["pull", `someone/${name}`, "--format", "safetensors", "-o", "mix", "--force"], { cwd, env });
  expect((await pull("whole")).code).toBe(0);
  const before = visible(join(cwd, "mix"));
  const refused = await pull("pieces");
  expect(refused.stderr).toMatch(
    /mix.model\.safetensors exists already, and would be read instead of the model in parts/,
  );
  expect(refused.code).toBe(2);
  expect(visible(join(cwd, "mix"))).toEqual(before);
});

test("another architecture is named, and its weights are not downloaded", async () => {
  const { cwd, env } = place();
  hub.add("someone/llama", hubModel({ config: { architectures: ["LlamaForCausalLM"], model_type: "llama" } }));
  const pulled = await run(["pull", "someone/llama"], { cwd, env });
  expect(pulled.code).toBe(1);
  expect(pulled.stderr).toMatch(/this is a LlamaForCausalLM; llm-ts reads GPT2LMHeadModel/);
  expect(hub.downloads("someone/llama/model.safetensors")).toEqual([]);
  expect(visible(cwd)).toEqual([]);
});

test("refuses what makes no sense, with the reason", async () => {
  const { cwd, env } = place();
  const cases: [code: number, message: RegExp, ...args: string[]][] = [
    [2, /"nobody" names no model/, "nobody"],
    [2, /missing required argument/],
    [2, /names no branch/, "gpt2", "--revision", "../x"],
    [1, /no such revision/, "gpt2", "--revision", "older"],
    [1, /has no such repository/, "someone/nothing"],
    [2, /Allowed choices are bin, safetensors/, "gpt2", "--format", "gguf"],
    [1, /file is a file/, "gpt2", "-o", "file"],
  ];
  writeFileSync(join(cwd, "file"), "");
  for (const [code, message, ...args] of cases) {
    const found = await run(["pull", ...args], { cwd, env });
    expect(found.stderr).toMatch(message);
    expect(found.code).toBe(code);
    expect(found.stdout).toBe("");
  }
});

test("killed at random moments, it resumes, and no partial file has a final name", async () => {
  const { cwd, home, env } = place();
  const weights = hub.files.get(`${gpt2}/model.safetensors`) ?? Buffer.alloc(0);
  // Two seconds for the whole file, of which each round gets 0.3 at most.
  hub.fault = ({ host }) => (host === "cdn" ? { kind: "slow", bytes: 20_000, pauseMs: 25 } : undefined);
  const downloads = () => hub.downloads(`${gpt2}/model.safetensors`);
  const before = downloads().length;
  const random = new Xorshift64(42);
  const blobs = join(home, "hub", "models--openai-community--gpt2", "blobs");
  for (let round = 0; round < 6; round++) {
    const child = start(["pull", "gpt2"], { cwd, env });
    const ended = result(child);
    while (downloads().length === before + round) await wait(5);
    await wait(300 * random.randfloat32());
    child.kill("SIGKILL");
    await ended;
    for (const name of readNames(blobs))
      if (/^[0-9a-f]{64}$/.test(name)) expect(sha256(readFileSync(join(blobs, name)))).toBe(name);
    expect(visible(cwd)).toEqual([]);
  }
  const pulled = await run(["pull", "gpt2"], { cwd, env });
  hub.fault = () => undefined;
  expect(pulled.code, pulled.stderr).toBe(0);
  expect(readFileSync(join(blobs, sha256(weights))).equals(weights)).toBe(true);
  expect(readdirSync(blobs).filter((name) => name.includes("incomplete"))).toEqual([]);
  // Every later download started where the one before it ended.
  const starts = downloads()
    .slice(before)
    .map((range) => Number(/\d+/.exec(range ?? "0")));
  expect(starts).toHaveLength(7);
  expect(starts.every((start, i) => start >= (starts[i - 1] ?? 0))).toBe(true);
  expect(starts[6]).toBeGreaterThan(0);
});

test("two at once share one download", async () => {
  const cache = join(folder, "shared");
  hub.fault = ({ host }) => (host === "cdn" ? { kind: "slow", bytes: 40_000, pauseMs: 60 } : undefined);
  const before = hub.downloads(`${gpt2}/model.safetensors`).length;
  const places = [place(cache), place(cache)];
  const both = await Promise.all(places.map(({ cwd, env }) => run(["pull", "gpt2"], { cwd, env })));
  hub.fault = () => undefined;
  for (const { code, stderr } of both) expect(code, stderr).toBe(0);
  for (const { cwd } of places) expect(visible(cwd)).toHaveLength(3);
  expect(hub.downloads(`${gpt2}/model.safetensors`).length - before).toBe(1);
  expect(both.map(({ stderr }) => stderr).join()).toMatch(
    /process \d+ on .* is downloading .* already: waiting for it/,
  );
});

function readNames(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
