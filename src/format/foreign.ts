/** Files of other programs, recognised by their first bytes, with advice for the error message. */
import { nameOf } from "../platform/paths.ts";
import type { ByteSource } from "../platform/platform.ts";

export interface ForeignFile {
  /** Completes "this is …". */
  readonly what: string;
  readonly advice: string;
  /** True for a file that is text as well. */
  readonly isText?: true;
}

/** Bytes read: enough for the name of a zip's first entry. */
const startBytes = 128;

/** Description of a file of another program; undefined if it is unknown. */
export async function foreignFile(source: ByteSource): Promise<ForeignFile | undefined> {
  const bytes = await source.read(0, Math.min(source.size, startBytes));
  if (isOnnx(bytes, source.name)) return onnx;
  const start = String.fromCharCode(...bytes);
  return signatures.find(({ pattern }) => pattern.test(start))?.describe(source.name);
}

/**
 * True for the first bytes of a model in ONNX: the version of the format, then the name of the program that wrote it. Tokens
 * without a header may begin so as well, but are named .bin.
 */
export function isOnnx(start: Uint8Array, name: string): boolean {
  const [key, version = 0, next, length = 0] = start;
  if (key !== 0x08 || version > 0x20) return false;
  const producer = start.subarray(4, 4 + length);
  const isText = producer.length > 0 && producer.every((byte) => byte >= 0x20 && byte < 0x7f);
  return (next === 0x12 && isText && !/\.bin$/i.test(name)) || /\.onnx$/i.test(name);
}

const onnx: ForeignFile = {
  what: "a model in ONNX, which llm-ts writes for other programs and does not read",
  advice: "Give the model that it was converted from.",
};

interface Signature {
  /** Matches the first bytes, as one character each. */
  readonly pattern: RegExp;
  describe(path: string): ForeignFile;
}

const always = (what: string, advice: string) => () => ({ what, advice });

// biome-ignore-start lint/suspicious/noControlCharactersInRegex: the first bytes of binary files
const signatures: readonly Signature[] = [
  // A zip whose first entry is the pickle, and PyTorch's format before 1.6.
  { pattern: /^PK\x03\x04.{26}[^\x00]*\/data\.pkl/s, describe: pytorch },
  { pattern: /^\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19/, describe: pytorch },
  {
    pattern: /^\x80[\x02-\x05]/,
    describe: always("a Python pickle", "It may hold code: export what is in it by Python."),
  },
  { pattern: /^PK\x03\x04/, describe: always("a zip archive", "Unpack it first.") },
  { pattern: /^\x1f\x8b/, describe: always("compressed by gzip", "Unpack it first (gzip -dk).") },
  { pattern: /^\x89HDF/, describe: always("an HDF5 file (TensorFlow, Keras)", "Give the model's safetensors.") },
  {
    pattern: /^\x93NUMPY/,
    describe: always("a NumPy array", "Write its tokens as llm.c's .bin, or its text as .txt."),
  },
  {
    pattern: /^minbpe v\d/,
    describe: always("a tokenizer of minbpe", "llm-ts reads llm.c's tokenizer.bin and Hugging Face's tokenizer.json."),
  },
  {
    pattern: /^version https:\/\/git-lfs/,
    describe: always("a pointer of Git LFS, and not the file itself", "Fetch the file: git lfs pull."),
  },
  {
    pattern: /^\s*<(!doctype html|html)/i,
    describe: () => ({
      what: "a web page",
      advice: "Download the file itself: on the hub, by its download link or llm-ts pull.",
      isText: true,
    }),
  },
];
// biome-ignore-end lint/suspicious/noControlCharactersInRegex: see above

function pytorch(path: string): ForeignFile {
  const name = nameOf(path);
  const file = /^[\w.-]+$/.test(name) ? name : `"${name}"`;
  return {
    what: "a PyTorch file (pickle)",
    advice:
      "llm-ts reads safetensors, which cannot hold code. With PyTorch and safetensors installed this writes them, in the " +
      "file's folder:\n" +
      '  python3 -c "import sys, torch, safetensors.torch as s; s.save_file({k: v.clone().contiguous() for k, v in ' +
      `torch.load(sys.argv[1], map_location='cpu', weights_only=True).items()}, 'model.safetensors')" ${file}`,
  };
}
