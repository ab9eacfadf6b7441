import type { Tokenizer } from "../tokenizer/tokenizer.ts";

/** The tokenizer that `--tokenizer` names: gpt2, byte, or a tokenizer.bin (or the folder that it lies in). */
export async function tokenizerNamed(name: string): Promise<Tokenizer> {
  if (name === "gpt2") return (await import("../tokenizer/gpt2.ts")).gpt2Tokenizer();
  if (name === "byte") return (await import("../tokenizer/byte.ts")).byteTokenizer();
  const { findTokenizer, openTokenizer } = await import("../data/dataset.ts");
  const { platform } = await import("#platform");
  if ((await platform.pathKind(name)) !== "folder") return openTokenizer(name);
  const found = await findTokenizer(name);
  if (found) return found;
  const { InputError } = await import("../errors.ts");
  throw new InputError(`${name} holds no tokenizer.bin. Name gpt2, byte or a tokenizer file.`);
}
