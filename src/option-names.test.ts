/** Every function of the API refuses an option that it does not have. */
import { describe, expect, test } from "vitest";
import { fixturePath } from "../test/fixtures.ts";
import {
  byteTokenizer,
  Chat,
  charTokenizer,
  charTokenizerOf,
  createBackend,
  findTokenizer,
  GPT2,
  gpt2Tokenizer,
  inspect,
  type LoadOptions,
  learningRateAt,
  makeConfig,
  memoryNeeded,
  openTokenizer,
  type PrepareChatOptions,
  parameterCount,
  prepareChat,
  prepareText,
  prepareTinyshakespeare,
  RunFolder,
  readDataset,
  restoreCheckpoint,
  TextStream,
  TokenLoader,
  type TokenLoaderOptions,
  Trainer,
  tensorShapes,
  trainTokenizer,
  UsageError,
  writeTokenizer,
} from "./index.ts";
import { requireOptions } from "./option-names.ts";

const backend = await createBackend("reference");
const model = await GPT2.load(fixturePath("gpt2_tiny.bin"), { backend });
const collect = async (items: AsyncIterable<unknown>) => {
  for await (const _ of items);
};
const any = (value: unknown) => value as never;
const book = new File(["To be, or not to be."], "book.txt");

const loaded = (options: LoadOptions) => GPT2.load(fixturePath("gpt2_tiny.bin"), { backend, ...options });
const opened = (options: Partial<TokenLoaderOptions>) => TokenLoader.open("unused.bin", { B: 1, T: 1, ...options });
const chats = (options: Partial<PrepareChatOptions>) =>
  prepareChat(["smalltalk"], "unused", { tokenizer: 300, ...options });

const calls: readonly [string, (options: never) => unknown][] = [
  ["GPT2.load", (options) => GPT2.load(fixturePath("gpt2_tiny.bin"), options)],
  ["GPT2.create", (options) => GPT2.create("baby", options)],
  ["GPT2.zeros", (options) => GPT2.zeros(model.config, options)],
  ["GPT2.save", (options) => model.save("unused.bin", options)],
  ["GPT2.generate", (options) => collect(model.generate("", options))],
  ["GPT2.generateTokens", (options) => collect(model.generateTokens([], options))],
  ["GPT2.generateSamples", (options) => collect(model.generateSamples([], options))],
  ["Chat.open", (options) => Chat.open(model, options)],
  ["createBackend", (options) => createBackend("reference", options)],
  ["TokenLoader.open", (options) => TokenLoader.open("unused.bin", options)],
  ["prepareText", (options) => prepareText(["unused.txt"], "unused", options)],
  ["prepareTinyshakespeare", (options) => prepareTinyshakespeare("unused", options)],
  ["prepareChat", (options) => prepareChat(["smalltalk"], "unused", options)],
  ["trainTokenizer", (options) => trainTokenizer(["unused.txt"], options)],
  ["inspect", (options) => inspect(model, [1], options)],
  ["makeConfig", (options) => makeConfig(options)],
  ["memoryNeeded", (options) => memoryNeeded(backend, model.config, options)],
  ["Tokenizer.encode", async (options) => (await gpt2Tokenizer()).encode("", options)],
  ["Tokenizer.encode", async (options) => (await gpt2Tokenizer()).encodeStream(options)],
  ["Tokenizer.encode", (options) => byteTokenizer().encode("", options)],
  ["Tokenizer.encode", (options) => charTokenizerOf("a").encodeStream(options).push("a")],
  ["learningRateAt", (options) => learningRateAt(0, 1, 1e-3, options)],
];

test.each(calls)("%s", async (name, call) => {
  const found = async (options: unknown) => call(any(options));
  await expect(found({ bogus: 1 })).rejects.toThrow(UsageError);
  await expect(found({ bogus: 1 })).rejects.toThrow(`${name} has no option "bogus". Its options: `);
  await expect(found(5)).rejects.toThrow(`The options of ${name} are 5, expected an object.`);
});

/** Values that an option cannot have are refused by the option's name, quoted where they are texts. */
test.each<[string, () => unknown]>([
  ['stop is ["a",5], expected a text', () => collect(model.generateTokens([], { stop: any(["a", 5]) }))],
  ["stop is 5, expected a text or a list of texts", () => collect(model.generateTokens([], { stop: any(5) }))],
  ["The prompt is 5, expected a text or an array of tokens", () => collect(model.generateTokens(any(5)))],
  ['The prompt is {"0":1}, expected', () => collect(model.generateTokens(any(Uint16Array.of(1))))],
  [
    "signal is {}, expected an AbortSignal",
    () => collect(model.generateTokens([], { signal: any(new AbortController()) })),
  ],
  ["signal is {}, expected an AbortSignal", () => inspect(model, [1], { signal: any(new AbortController()) })],
  ['The sampling seed is "1", expected', () => collect(model.generateTokens([], { seed: any("1") }))],
  ["The temperature is null, expected 0", () => collect(model.generateTokens([], { temperature: any(null) }))],
  ['top-p is "0.5", expected a number', () => collect(model.generateTokens([], { topP: any("0.5") }))],
  [
    'The share for validation is "", expected',
    () => prepareText([book], "unused", { tokenizer: "char", valFraction: any("") }),
  ],
  ['tokenizer is "words", expected "gpt2", ', () => prepareText([book], "unused", { tokenizer: any("words") })],
  ["tokenizer is undefined, expected a number of", () => prepareChat(["smalltalk"], "unused", any({}))],
  ['The texts are "a.txt", expected an array', () => trainTokenizer(any("a.txt"), { vocabSize: 300 })],
  ['special is "<|x|>", expected an array', () => trainTokenizer([book], { vocabSize: 300, special: any("<|x|>") })],
  ['seed is "a", expected a whole number', () => TokenLoader.open("unused.bin", { B: 1, T: 1, seed: any("a") })],
  ["The kernel 64x64 is one of the webgpu backend, and wasm was", () => createBackend("wasm", { kernel: "64x64" })],
  ['maxTokens is "", expected a whole number', () => collect(model.generateTokens([], { maxTokens: any("") }))],
  ['The temperature is "hot", expected 0', () => collect(model.generateTokens([], { temperature: any("hot") }))],
  ['dtype is "", expected one of f32, f16, ', () => model.save("unused.gguf", { dtype: any("") })],
  ['not in "". Choose one of these.', () => GPT2.create(model.config, { backend, weights: any("") })],
  ['threads must be a whole number from 1 to 64, not "".', () => createBackend("wasm", { threads: any("") })],
  ['There is no backend "".', () => createBackend("")],
  ['split is "", expected train or val.', () => TokenLoader.open("unused.bin", { B: 1, T: 1, split: any("") })],
  ['pastEnd is "no", expected true or false.', () => collect(model.generateTokens([], { pastEnd: any("no") }))],
  ["llmc is 1, expected true or false.", () => collect(model.generateTokens([], { llmc: any(1) }))],
  ["endTokens is 5, expected an array of tokens", () => loaded({ endTokens: any(5) })],
  ['endTokens is ["a"], expected an array of tokens', () => loaded({ endTokens: any(["a"]) })],
  ["endTokens is [-1], expected an array of tokens", () => GPT2.zeros(model.config, { backend, endTokens: [-1] })],
  ["tokenizer is null, expected a Tokenizer, as await", () => loaded({ tokenizer: any(null) })],
  ['config is "config.json", expected a Blob', () => loaded({ config: any("config.json") })],
  ['The folder is "file:///data", expected the path', () => readDataset(any(new URL("file:///data")))],
  ['The path is "file:///data", expected that of a folder', () => findTokenizer(any(new URL("file:///data")))],
  ['adapter is "", expected the path of a folder', () => loaded({ adapter: "" })],
  ["threads is 2, which is for making a backend", () => loaded({ threads: 2 })],
  ["onStart is a function, which is for", () => loaded({ onStart: () => {} })],
  ['kernel is "plain-4x8", which is for', () => GPT2.create(model.config, { backend, kernel: "plain-4x8" })],
  ['blas is "openblas", which is for', () => GPT2.zeros(model.config, { backend, blas: "openblas" })],
  ["onStart is {}, expected a function.", () => loaded({ onStart: any({}) })],
  ["revectorize is 1, expected true or false.", () => loaded({ revectorize: any(1) })],
  ["onProgress is true, expected a function.", () => GPT2.create(model.config, { onProgress: any(true) })],
  ['shared is "no", expected true or false.', () => createBackend("wasm", { shared: any("no") })],
  ['blas is "", expected none, auto, accelerate', () => createBackend("wasm", { blas: "" })],
  ['wasmMemory is "1", expected a whole number', () => createBackend("wasm", { wasmMemory: any("1") })],
  ['V is "a", expected a whole number of at least 1.', () => opened({ V: any("a") })],
  ['masked is "x", expected true or false.', () => opened({ masked: any("x") })],
  ['headerless is "", expected true, false, int32 or uint16.', () => opened({ headerless: any("") })],
  ["group is null, expected a rank and a size", () => opened({ group: any(null) })],
  ['template is "x", expected an object with the texts', () => chats({ template: any("x") })],
  ['template is {"source":5,"name":"n"}, expected', () => chats({ template: any({ source: 5, name: "n" }) })],
  ["onProgress is 5, expected a function.", () => chats({ onProgress: any(5) })],
  [
    "onProgress is 5, expected a function.",
    () => prepareText([book], "unused", { tokenizer: "char", onProgress: any(5) }),
  ],
  ['No encoding is called "".', () => prepareTinyshakespeare("unused", { tokenizer: "char", encoding: "" })],
  ["tokenizer is null, expected", () => prepareTinyshakespeare("unused", { tokenizer: any(null) })],
  ['orFewer is "no", expected true or false.', () => trainTokenizer([book], { vocabSize: 300, orFewer: any("no") })],
  ["special is [5], expected an array of texts.", () => trainTokenizer([book], { vocabSize: 300, special: any([5]) })],
  ["onProgress is true, expected a function.", () => inspect(model, [1], { onProgress: any(true) })],
  ["epsilon is true, expected a number", () => makeConfig({ ...model.config, epsilon: any(true) })],
  ["weights is null, expected one of f32", () => memoryNeeded(backend, model.config, { weights: any(null) })],
  ['precision is "x", expected one of', () => memoryNeeded(backend, model.config, { precision: any("x") })],
  ['updates is "sgd", expected one of adamw', () => memoryNeeded(backend, model.config, { updates: any("sgd") })],
  ["lora is null, expected a rank", () => memoryNeeded(backend, model.config, { lora: any(null) })],
  ["targets: some of qkv", () => memoryNeeded(backend, model.config, { lora: any({ rank: 2, targets: ["q"] }) })],
  ["share is 1, expected the size", () => memoryNeeded(backend, model.config, { share: any(1) })],
  ["expected the size of a group", () => memoryNeeded(backend, model.config, { share: { rank: 2, size: 2 } })],
  ["decode is 5, expected whole numbers", () => memoryNeeded(backend, model.config, { decode: any(5) })],
  ['warmupSteps is "a", expected a whole number', () => learningRateAt(0, 1, 1e-3, { warmupSteps: any("a") })],
])("%s", async (message, call) => {
  await expect((async () => call())()).rejects.toThrow(message);
});

/** So are values of arguments that are no options. */
test.each<[string, () => unknown]>([
  ["The model is undefined, expected a path, URL, Blob or Uint8Array", () => GPT2.load(any(undefined))],
  ['The model is "", expected a path', () => GPT2.load("")],
  ["The model configuration is null, expected an object", () => GPT2.create(any(null))],
  ["The model configuration is undefined, expected", () => GPT2.zeros(any(undefined))],
  ["The model configuration is 5, expected", () => parameterCount(any(5))],
  ["The model configuration is null, expected", () => tensorShapes(any(null))],
  ["The model configuration is null, expected", () => memoryNeeded(backend, any(null), {})],
  ["There is no backend null. Choose one of: wasm, ", () => createBackend(any(null))],
  ["backend is null, expected wasm, webgpu, reference or a Backend", () => loaded({ backend: any(null) })],
  ["backend is {}, expected wasm, webgpu, reference or a Backend", () => loaded({ backend: any({}) })],
  ["backend is a promise that was not awaited, expected", () => model.copyTo(any(Promise.resolve(backend)))],
  ["backend is undefined, expected", () => memoryNeeded(any(undefined), model.config, {})],
  ["The model's file is 5, expected a path that ends in .bin", () => model.save(any(5))],
  ["The model is undefined, expected a GPT2, as await GPT2.load", () => new Trainer(any(undefined))],
  ["The model is a promise that was not awaited, expected a GPT2", () => new Trainer(any(Promise.resolve(model)))],
  ["The model is null, expected a GPT2", () => Chat.open(any(null))],
  ["The model is 5, expected a GPT2", () => inspect(any(5), [1])],
  ["The model is {}, expected a GPT2", () => RunFolder.create("unused", any({}), "tiny")],
  ["modelName is undefined, expected a text", () => RunFolder.create("unused", model, any(undefined))],
  ["settings is 5, expected an object", () => RunFolder.create("unused", model, "tiny", any(5))],
  [
    'The folder is "", expected the path of a folder: "." is the current one',
    () => RunFolder.create("", model, "tiny"),
  ],
  ["The folder is undefined, expected the path", () => RunFolder.open(any(undefined))],
  ["The folder is 5, expected the path", () => RunFolder.check(any(5))],
  ["The folder is null, expected the path", () => RunFolder.remove(any(null))],
  ["The checkpoint is undefined, expected a Checkpoint", () => restoreCheckpoint(new Trainer(model), any(undefined))],
  ["The trainer is {}, expected a Trainer.", () => restoreCheckpoint(any({}), any({}))],
  ['The folder is "", expected the path', () => new Trainer(model, { loraRank: 1 }).saveAdapter("", "gpt2")],
  [
    'The base is "", expected the path of the model',
    () => new Trainer(model, { loraRank: 1 }).saveAdapter("unused", ""),
  ],
  ["The token files are 5, expected a path or a list of paths.", () => TokenLoader.open(any(5), { B: 1, T: 1 })],
  ['The token files are [""], expected a path', () => TokenLoader.open([""], { B: 1, T: 1 })],
  ["The texts are 5, expected a list of paths or Blobs.", () => prepareText(any(5), "unused", { tokenizer: "char" })],
  ['The texts are "a.txt", expected a list', () => prepareText(any("a.txt"), "unused", { tokenizer: "char" })],
  ['The folder is "", expected the path', () => prepareText([book], "", { tokenizer: "char" })],
  ['The folder is "", expected the path', () => prepareTinyshakespeare("", { tokenizer: "char" })],
  ['The folder is "", expected the path', () => prepareChat(["smalltalk"], "", { tokenizer: 300 })],
  [
    "The conversations are [{}], expected a list of paths.",
    () => prepareChat(any([book]), "unused", { tokenizer: 300 }),
  ],
  ["The texts are 5, expected an array of paths", () => trainTokenizer(any(5), { vocabSize: 300 })],
  ["The texts are [null], expected a list of paths", () => trainTokenizer(any([null]), { vocabSize: 300 })],
  ['The folder is "", expected the path', () => writeTokenizer("", byteTokenizer())],
  ["tokenizer is undefined, expected a Tokenizer, as await", () => writeTokenizer("unused", any(undefined))],
  ["tokenizer is null, expected a Tokenizer", () => new TextStream(any(null))],
  ["The tokenizer's file is undefined, expected a path.", () => openTokenizer(any(undefined))],
  ["The text is null, expected a text", () => byteTokenizer().encode(any(null))],
  ["The text is 5, expected a text", async () => (await gpt2Tokenizer()).encode(any(5))],
  ["The text is undefined, expected a text", () => charTokenizerOf(any(undefined))],
  ['The characters are "ab", expected an array', () => charTokenizer(any("ab"))],
  ["The ids are 5, expected an array of token ids", () => byteTokenizer().decode(any(5))],
  ['step is "1", expected a number.', () => learningRateAt(any("1"), 1, 1e-3)],
  ["peak is undefined, expected a number.", () => learningRateAt(0, 1, any(undefined))],
])("%s", async (message, call) => {
  const found = (async () => call())();
  await expect(found).rejects.toThrow(UsageError);
  await expect(found).rejects.toThrow(message);
});

describe("the advice", () => {
  const names = { maxTokens: true, temperature: true, topK: true, learningRate: "lr" } as const;
  const others = { "GPT2.create": { seed: true } } as const;
  test.each([
    ["max_tokens", 'Did you mean "maxTokens"?'],
    ["maxTokns", 'Did you mean "maxTokens"?'],
    ["Temperature", 'Did you mean "temperature"?'],
    ["temp", 'Did you mean "temperature"?'],
    ["topk", 'Did you mean "topK"?'],
    ["lr", "It is called learningRate."],
    ["seed", "It is an option of GPT2.create."],
    ["k", "Its options: maxTokens, temperature, topK, learningRate."],
    ["toString", "Its options: maxTokens, temperature, topK, learningRate."],
    ["", "Its options: maxTokens, temperature, topK, learningRate."],
  ])("for %o", (name, advice) => {
    expect(() => requireOptions("f", { [name]: 1 }, names, others)).toThrow(`f has no option "${name}". ${advice}`);
  });

  test("is not needed for names that there are, whatever they hold", () => {
    requireOptions("f", { maxTokens: undefined, topK: Number.NaN }, names);
  });
});
