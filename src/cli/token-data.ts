import { parse } from "node:path";
import { platform } from "#platform";
import { InputError } from "../errors.ts";
import { identify } from "../format/identify.ts";
import { withSource } from "../format/source.ts";
import { suggestion } from "./suggest.ts";

/**
 * InputError, with the commands to type instead, where token files are expected and `path` names a text, documents, or a
 * folder of them. `model`: what is to be trained, since small models learn from characters.
 */
export async function requireTokens(path: string, model?: string): Promise<void> {
  const what = await textKind(path);
  if (what === undefined) return;
  const name = parse(path).name.replace(/^[.-]+/, "") || "text";
  const tokenizer = model === "baby" && what !== "documents" ? ["--tokenizer", "char"] : [];
  throw new InputError(
    `${path} is ${what}, and token files are expected. Prepare it, and give the folder with its tokens:\n` +
      `  ${suggestion("prepare", path, ...tokenizer, "-o", `data/${name}`)}\n` +
      `  ${suggestion("train", ...(model === undefined ? [] : ["--model", model]), "--train", `data/${name}`, "-o", "runs/")}`,
  );
}

async function textKind(path: string): Promise<"a text" | "documents" | "a folder of texts" | undefined> {
  const kind = await platform.pathKind(path);
  if (kind === "folder") {
    const names = await platform.listFolder(path);
    return names.some((name) => /\.(bin|json)$/.test(name)) ||
      !names.some((name) => /\.(txt|md|jsonl|parquet)$/.test(name))
      ? undefined
      : "a folder of texts";
  }
  if (kind !== "file") return undefined;
  const format = await withSource(path, identify);
  if (format === "parquet" || /\.jsonl$/.test(path)) return "documents";
  return format === "text" ? "a text" : undefined;
}
