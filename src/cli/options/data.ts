/** Advice about the files that options and arguments name: commands that read what they hold. */
import { parse } from "node:path";
import { platform } from "#platform";
import { fieldsOf, holdsItems } from "../../data/items.ts";
import { isBin } from "../../data/not-text.ts";
import { InputError, NotTextError } from "../../errors.ts";
import { identify } from "../../format/identify.ts";
import { withSource } from "../../format/source.ts";
import { guessHeaderless, metaHint } from "../../format/tokens.ts";
import { suggestion } from "../suggest.ts";

/**
 * InputError, with the commands to type instead, where token files are expected and `path` names a text, documents, or a
 * folder of them. The last one is this process's own command with the prepared folder. `model`: what is to be trained,
 * since small models learn from characters.
 */
export async function requireTokens(path: string, model?: string): Promise<void> {
  const what = await textKind(path);
  if (what === undefined) return;
  const name = parse(path).name.replace(/^[.-]+/, "") || "text";
  const small = what === "conversations" ? "bpe:1024" : what === "documents" ? undefined : "char";
  const tokenizer = model === "baby" && small !== undefined ? ["--tokenizer", small] : [];
  const chat = what === "conversations" ? ["--chat"] : [];
  const { field, remark } =
    what === "documents" && holdsItems(path) ? await textFieldOf(path) : { field: [], remark: "" };
  const folder = `data/${name}`;
  throw new InputError(
    `${path} is ${what}, and token files are expected. ${remark}Prepare it, and give the folder with its tokens:\n` +
      `  ${suggestion("prepare", path, ...chat, ...field, ...tokenizer, "-o", folder)}\n` +
      `  ${suggestion(...process.argv.slice(2).map((arg) => withPath(arg, path, folder)))}`,
  );
}

/** The option for the field of documents that holds the text; InputError where none does. */
async function textFieldOf(path: string) {
  const { names, texts } = await fieldsOf(path);
  if (texts.includes("text")) return { field: [], remark: "" };
  if (texts.length === 0)
    throw new InputError(
      `${path} has no field that holds a text to train on. Its fields are: ${names.join(", ") || "none"}.`,
    );
  return {
    field: ["--field", texts[0]],
    remark: `It has no field "text": llm-ts prepare --field names the one that holds the text, of ${texts.join(", ")}. `,
  };
}

/** An argument that is `path`, or an option with it as its value ("--train=book.txt", "-ibook.txt"), with `folder` instead. */
function withPath(arg: string, path: string, folder: string): string {
  if (arg === path) return folder;
  const [option = ""] = /^(--[\w-]+=|-\w)/.exec(arg) ?? [];
  return option !== "" && arg.slice(option.length) === path ? option + folder : arg;
}

async function textKind(
  path: string,
): Promise<"a text" | "documents" | "conversations" | "a folder of texts" | undefined> {
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
  if (holdsItems(path)) return (await fieldsOf(path)).isTalk ? "conversations" : "documents";
  if (format === "parquet") return "documents";
  return format === "text" ? "a text" : undefined;
}

/**
 * The error with advice, if it is about a file that is not text; else the same. `args` are those of this command, which
 * has --encoding; `takesBytes`: it has --tokenizer byte as well.
 */
export async function advised(error: unknown, args: readonly string[], takesBytes: boolean): Promise<unknown> {
  if (!(error instanceof NotTextError)) return error;
  const advice = await adviceOn(error, args, takesBytes);
  return advice === undefined ? error : new InputError(`${error.message} ${advice}`, { cause: error });
}

async function adviceOn({ found }: NotTextError, args: readonly string[], takesBytes: boolean) {
  const { name, encoding, what } = found;
  if (encoding !== undefined) return `Read it as that: ${suggestion(...args, "--encoding", encoding)}`;
  if (isBin(name)) {
    if (what?.startsWith("a token file"))
      return `Train on it: ${suggestion("train", "--model", "baby", "--train", name, "-o", "runs/")}`;
    const type = await withSource(name, guessHeaderless).catch(() => undefined);
    if (type === undefined) return undefined;
    const hint = type === "uint16" ? await metaHint(name) : "";
    const command = suggestion("train", "--model", "baby", "--train", name, "--headerless", type, "-o", "runs/");
    return `${hint} Train on it: ${command}`.trimStart();
  }
  if (what !== undefined || !takesBytes || holdsItems(name)) return undefined;
  return `To train on its bytes as they are: ${suggestion(...args, "--tokenizer", "byte")}`;
}
