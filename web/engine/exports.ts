/** Files of the loaded model for downloads, with the bytes that `GPT2.save` writes, made without using the storage. */
import { tokenizerFiles } from "../../src/data/tokenizer-files.ts";
import { InputError } from "../../src/errors.ts";
import { huggingFaceConfig } from "../../src/format/huggingface-config.ts";
import { writeModel } from "../../src/format/model.ts";
import { writeSafetensors } from "../../src/format/safetensors.ts";
import { streamOf } from "../../src/format/tensors.ts";
import type { GPT2Config } from "../../src/model/config.ts";
import type { Appender } from "../../src/platform/platform.ts";
import type { Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import type { LoadedModel } from "./model-slot.ts";
import type { ExportFormat } from "./protocol.ts";

/** One file, or all files of a tokenizer of the hub's. InputError for a tokenizer that the model does not have. */
export async function exportFiles({ model, name }: LoadedModel, format: ExportFormat): Promise<File[]> {
  const { backend, config, parameters, tokenizer, endTokens } = model;
  const tensors = streamOf(config, (tensor, start, length) => parameters.weights.read(backend, tensor, start, length));
  const base = name.replace(/\.(bin|safetensors)$/, "");
  switch (format) {
    case "bin":
      return [await collect(`${base}.bin`, (out) => writeModel(out, tensors))];
    case "safetensors":
      return [await collect(`${base}.safetensors`, (out) => writeSafetensors(out, tensors))];
    case "config": {
      const json = huggingFaceConfig(config, { endTokens });
      return [new File([`${JSON.stringify(json, null, 2)}\n`], "config.json", { type: "application/json" })];
    }
    case "tokenizer":
      if (!tokenizer) throw new InputError(`${name} has no tokenizer that could be exported.`);
      return exportTokenizer(tokenizer, config);
  }
}

async function exportTokenizer(tokenizer: Tokenizer, { maxT }: GPT2Config): Promise<File[]> {
  const files = await tokenizerFiles(tokenizer, tokenizer.kind === "huggingface" ? { maxT } : "llm-ts");
  return Array.from(files, ([name, bytes]) => {
    const type = name.endsWith(".json") ? "application/json" : "application/octet-stream";
    return new File([new Uint8Array(bytes)], name, { type });
  });
}

/** Collects the bytes written as a File. In Blobs, which the browser keeps outside this worker's memory. */
async function collect(name: string, write: (out: Appender) => Promise<void>): Promise<File> {
  const parts: Blob[] = [];
  await write({
    name,
    write: async (bytes) => {
      // A copy: the writer may reuse its array.
      parts.push(new Blob([new Uint8Array(bytes)]));
    },
  });
  return new File(parts, name, { type: "application/octet-stream" });
}
