/** The target of `llm-ts convert`: its meaning, what must not be overwritten, and folders written atomically. */
import { rmSync } from "node:fs";
import { readdir, readlink, realpath } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { platform } from "#platform";
import { onnxFile } from "../../api/onnx-folder.ts";
import { UsageError } from "../../errors.ts";
import { inMadeFolder } from "../../format/save.ts";
import { removeLeftovers, temporaryFor } from "../../platform/node-temporary.ts";
import { inFolder } from "../../platform/paths.ts";
import { requireNoRun } from "../replaceable.ts";

/** What --to says. */
export type Format = "bin" | "safetensors" | "gguf" | "onnx";

export interface Target {
  /** One file, or a folder with all that transformers loads a model from, or transformers.js. */
  readonly kind: "bin" | "safetensors" | "gguf" | "folder" | "onnx";
  /** The path of the file or folder. */
  readonly path: string;
  /** The path of the model file. */
  readonly model: string;
}

/** Extensions of other programs' formats, which are refused as names of a folder: model.onnx. */
const foreign = /\.(pt|pth|ggml|onnx|ckpt|h5|msgpack|npz|pkl|json|txt)$/i;

export async function targetOf(path: string, to: Format | undefined): Promise<Target> {
  await refuseDanglingLink(path);
  const ending = /\.(bin|safetensors|gguf)$/i.exec(path)?.[1];
  const named = ending?.toLowerCase();
  if ((await platform.pathKind(path)) !== "folder") {
    if (ending !== named) throw new UsageError(`${path}: write the ending in small letters, .${named}.`);
    if (named === "bin" || named === "safetensors" || named === "gguf") {
      if (to === undefined || to === named) return { kind: named, path, model: path };
      throw new UsageError(`${path} is named for .${named}, and --to says ${to}. Leave --to out, or change the name.`);
    }
    if (foreign.test(path))
      throw new UsageError(
        `${path}: llm-ts writes llm.c's .bin, safetensors and GGUF. Name the file NAME.bin, NAME.safetensors or NAME.gguf, or ` +
          "give a folder, with --to onnx for ONNX.",
      );
  }
  if (to === "bin" || to === "gguf") {
    const model = inFolder(path, `model.${to}`);
    return { kind: to, path: model, model };
  }
  if (to === "onnx") return { kind: "onnx", path, model: inFolder(path, onnxFile) };
  return { kind: "folder", path, model: inFolder(path, "model.safetensors") };
}

async function refuseDanglingLink(path: string): Promise<void> {
  if ((await platform.pathKind(path)) !== undefined) return;
  const target = await readlink(path).catch(() => undefined);
  if (target !== undefined)
    throw new UsageError(
      `${path} is a link to ${target}, which does not exist. Remove the link, or choose another name.`,
    );
}

/** UsageError where an existing file or run would be lost. */
export async function requireFree({ kind, path, model }: Target, from: string, force = false): Promise<void> {
  if ((await platform.pathKind(model)) !== undefined && (await realpath(model)) === (await realpath(from)))
    throw new UsageError(`${from} would be replaced by its own conversion. Write it somewhere else.`);
  const isFolder = kind === "folder" || kind === "onnx";
  if (isFolder) await requireNoRun(path);
  if (force) return;
  const files = isFolder ? [model, `${model}.index.json`, inFolder(path, "config.json")] : [model];
  for (const file of files)
    if ((await platform.pathKind(file)) !== undefined)
      throw new UsageError(`${file} exists already. Write somewhere else, or replace it with --force.`);
}

/**
 * Writes a folder atomically: `fill` writes into a hidden folder beside `path`, which then gets that name. In an existing
 * folder the written files replace those of the same name; the others stay. Returns the paths of all written files.
 */
export async function wholeFolder(path: string, fill: (folder: string) => Promise<void>): Promise<string[]> {
  const target = resolve(path);
  const names = await inMadeFolder(dirname(target), () => fillBeside(target, fill));
  return names.map((name) => join(path, name));
}

async function fillBeside(target: string, fill: (folder: string) => Promise<void>): Promise<string[]> {
  await removeLeftovers(target);
  const temporary = temporaryFor(target);
  const remove = () => rmSync(temporary, { recursive: true, force: true });
  process.once("exit", remove);
  try {
    await platform.makeFolder(temporary);
    await fill(temporary);
    const entries = await readdir(temporary, { recursive: true, withFileTypes: true });
    const names = entries
      .filter((entry) => entry.isFile())
      .map((entry) => relative(temporary, join(entry.parentPath, entry.name)));
    names.sort();
    if ((await platform.pathKind(target)) === undefined) await platform.renameFile(temporary, target);
    else
      for (const name of names) {
        await platform.makeFolder(dirname(join(target, name)));
        await platform.renameFile(join(temporary, name), join(target, name));
      }
    return names;
  } finally {
    process.off("exit", remove);
    remove();
  }
}
