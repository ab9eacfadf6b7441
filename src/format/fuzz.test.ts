/** Damaged files of every format: an InputError or a result, soon, and no memory by an unchecked header. */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { MemorySink } from "../../test/memory-sink.ts";
import { InputError } from "../errors.ts";
import type { GPT2Config } from "../model/config.ts";
import { openSource } from "../platform/node-files.ts";
import type { ByteSource } from "../platform/platform.ts";
import { Mt19937 } from "../random/mt19937.ts";
import { ggufModel, writeGguf } from "./gguf.ts";
import { readGgufHeader } from "./gguf-file.ts";
import { makeHeader } from "./header.ts";
import { readHellaSwagHeader } from "./hellaswag.ts";
import { huggingFaceConfig, readHuggingFaceConfig } from "./huggingface-config.ts";
import { identify } from "./identify.ts";
import { readModel } from "./model.ts";
import { readOptimizerState, writeOptimizerState } from "./optimizer.ts";
import { readSafetensorsModel, writeSafetensors } from "./safetensors.ts";
import { readDebugState } from "./state.ts";
import { streamOf } from "./tensors.ts";
import { readVocabulary, writeVocabulary } from "./tokenizer.ts";
import { openTokenFile } from "./tokens.ts";

const fixture = (name: string) => new Uint8Array(readFileSync(new URL(`../../test/fixtures/${name}`, import.meta.url)));

const modelBytes = fixture("gpt2_tiny.bin");
const { config } = await readModel(await openSource(modelBytes));

async function safetensorsBytes(config: GPT2Config): Promise<Uint8Array> {
  const sink = new MemorySink();
  await writeSafetensors(
    sink,
    streamOf(config, async (_name, _start, length) => new Float32Array(length)),
  );
  return sink.bytes;
}

async function ggufBytes(config: GPT2Config): Promise<Uint8Array> {
  const sink = new MemorySink();
  const zeros = streamOf(config, async (_name, _start, length) => new Float32Array(length));
  const vocabulary = {
    "tokenizer.ggml.tokens": { strings: ["a", "b"] },
    "tokenizer.ggml.token_type": { i32s: [1, 3] },
  };
  await writeGguf(sink, zeros, "f16", { ...vocabulary, "tokenizer.ggml.add_bos_token": false });
  return sink.bytes;
}

async function tokenizerBytes(): Promise<Uint8Array> {
  const sink = new MemorySink();
  const tokens = ["a", "b", " the", "é", "<|endoftext|>"].map((token) => new TextEncoder().encode(token));
  await writeVocabulary(sink, tokens, 4);
  return sink.bytes;
}

async function optimizerBytes(): Promise<Uint8Array> {
  const sink = new MemorySink();
  const shuffle = { shards: [0], samples: [2, 0, 1], random: new Mt19937(42).position() };
  const zeros = async (_name: string, _start: number, length: number) => new Float32Array(length);
  await writeOptimizerState(sink, config, { step: 7, shard: 0, sample: 1, shuffle }, zeros, zeros);
  return sink.bytes;
}

function llmcBytes(fields: Record<number, number>, bytes: number): Uint8Array {
  const file = new Uint8Array(1024 + bytes);
  file.set(makeHeader(fields));
  return file;
}

const nothing = async () => {};

/** A whole file of each format, and everything that reads it. */
const formats: Record<string, { bytes: Uint8Array; read: (source: ByteSource) => Promise<unknown> }> = {
  model: {
    bytes: modelBytes,
    read: async (source) => (await readModel(source)).readTensors(nothing),
  },
  "debug state": {
    bytes: fixture("gpt2_tiny_debug_state.bin"),
    async read(source) {
      const state = await readDebugState(source, config);
      await state.readLogits(nothing);
      await state.readGradients(nothing);
    },
  },
  tokens: {
    bytes: llmcBytes({ 0: 20240520, 1: 1, 2: 100 }, 200),
    async read(source) {
      const file = await openTokenFile(source);
      await file.read(0, file.count);
    },
  },
  "32-bit tokens": {
    bytes: llmcBytes({ 0: 20240801, 1: 7, 2: 100 }, 400),
    async read(source) {
      const file = await openTokenFile(source);
      await file.read(0, file.count);
    },
  },
  "headerless tokens": {
    bytes: llmcBytes({ 0: 5 }, 0),
    async read(source) {
      const file = await openTokenFile(source, { headerless: true });
      await file.read(0, file.count);
    },
  },
  tokenizer: { bytes: await tokenizerBytes(), read: readVocabulary },
  safetensors: {
    bytes: await safetensorsBytes(config),
    read: async (source) => (await readSafetensorsModel(source)).readTensors(nothing),
  },
  GGUF: {
    bytes: await ggufBytes(config),
    read: async (source) => ggufModel(source, await readGgufHeader(source)).readTensors(nothing),
  },
  "config.json": {
    bytes: new TextEncoder().encode(JSON.stringify(huggingFaceConfig(config, { endTokens: [7] }))),
    read: readHuggingFaceConfig,
  },
  "optimizer state": { bytes: await optimizerBytes(), read: (source) => readOptimizerState(source, config) },
  HellaSwag: { bytes: llmcBytes({ 0: 20240522, 1: 1, 2: 2, 3: 40 }, 80), read: readHellaSwagHeader },
};

/** Changes to a file of `size` bytes: most hit where headers are, and are of the sizes that headers use. */
function damage(size: number) {
  const offset = fc.oneof({ weight: 3, arbitrary: fc.nat(Math.min(size, 1100)) }, fc.nat(size));
  const edges = fc.constantFrom(0, 1, -1, 2147483647, -2147483648, 65536, 1 << 30, 255);
  return fc.array(
    fc.oneof(
      fc.record({ kind: fc.constant("byte" as const), offset, value: fc.nat(255) }),
      fc.record({ kind: fc.constant("field" as const), offset, value: fc.oneof(edges, fc.integer()) }),
      fc.record({ kind: fc.constant("cut" as const), offset, value: fc.constant(0) }),
      fc.record({ kind: fc.constant("insert" as const), offset, value: fc.nat(255) }),
    ),
    { minLength: 1, maxLength: 4 },
  );
}

type Damage = { readonly kind: "byte" | "field" | "cut" | "insert"; readonly offset: number; readonly value: number };

function apply(bytes: Uint8Array, { kind, value, ...damage }: Damage): Uint8Array {
  const offset = Math.min(damage.offset, bytes.length);
  if (kind === "cut") return bytes.slice(0, offset);
  const changed = new Uint8Array(bytes.length + (kind === "insert" ? 1 : 0));
  changed.set(bytes);
  if (kind === "insert") {
    changed.set(bytes.subarray(offset), offset + 1);
    changed[offset] = value;
  }
  if (kind === "byte" && offset < changed.length) changed[offset] = value;
  const field = offset & ~3;
  if (kind === "field" && field + 4 <= changed.length) new DataView(changed.buffer).setInt32(field, value, true);
  return changed;
}

/** A source that refuses reads which a file of its size cannot answer: they would have been allocated already. */
function guarded(bytes: Uint8Array): ByteSource {
  return {
    name: "file",
    size: bytes.length,
    async read(offset, length) {
      expect(Number.isSafeInteger(offset) && Number.isSafeInteger(length)).toBe(true);
      expect(length).toBeLessThanOrEqual(bytes.length);
      if (offset + length > bytes.length) throw new InputError("the source ends before");
      return bytes.slice(offset, offset + length);
    },
    close: async () => {},
  };
}

test.each(Object.keys(formats))("%s: damage never gives more than an InputError", async (name) => {
  const { bytes, read } = formats[name];
  await read(guarded(bytes));
  await fc.assert(
    fc.asyncProperty(damage(bytes.length), async (changes) => {
      const source = guarded(changes.reduce(apply, bytes));
      await identify(source);
      try {
        await read(source);
      } catch (error) {
        expect(error).toBeInstanceOf(InputError);
      }
    }),
    { seed: 1337, numRuns: 400, interruptAfterTimeLimit: 20_000 },
  );
});
