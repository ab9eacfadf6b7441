/** What `llm-ts info` tells of a folder: prepared data, a run, a model, or runs. */
import { platform } from "#platform";
import { openModelFile } from "../../api/model-file.ts";
import { findTokenizer, readDataset } from "../../data/dataset.ts";
import { InputError } from "../../errors.ts";
import { parameterCount } from "../../model/parameters.ts";
import { runFolders, withTimes } from "../../runs/node-run-list.ts";
import { holdsRun, readRun } from "../../runs/read-run.ts";
import { duration } from "../display/text.ts";
import { locateModel } from "../options/model.ts";
import type { Facts } from "./command.ts";

/** InputError where it is none of them, or what it holds is damaged. */
export async function folderFacts(path: string): Promise<Facts> {
  const dataset = await readDataset(path);
  if (dataset) return { format: "prepared data", ...dataset };
  if (await holdsRun(path)) return runFacts(path);
  const runs = await runFolders(path);
  if (runs.length > 0) return { format: "folder with runs", runs: runs.length, folders: runs.join(", ") };
  const names = await platform.listFolder(path);
  if (names.some((name) => /^(model.*|pytorch_model)\.(bin|safetensors(\.index\.json)?)$/.test(name)))
    return modelFacts(path);
  const texts = names.filter((name) => /\.(txt|md|jsonl|parquet)$/.test(name)).length;
  if (texts > 0) return { format: "folder with texts", texts, files: names.length };
  const found = names.length > 0 ? `${names.slice(0, 5).join(", ")}${names.length > 5 ? ", …" : ""}` : "no files";
  throw new InputError(
    `${path} is a folder that is neither prepared data nor a run or model: it holds ${found}. Name the file to look at.`,
  );
}

async function runFacts(path: string): Promise<Facts> {
  const { folder: _, reason, ms, checkpoint, status, ...run } = await withTimes(await readRun(path));
  if (status === "unreadable") throw new InputError(reason ?? `${path} cannot be read.`);
  return {
    format: "training run",
    status,
    ...run,
    ...(ms !== undefined && { took: duration(ms) }),
    checkpoint: checkpoint ?? "none",
    ...(checkpoint !== undefined && { newest: await locateModel(path) }),
  };
}

/** A model with what belongs to it: what `convert` writes, and what the hub has. */
async function modelFacts(path: string): Promise<Facts> {
  const weights = await locateModel(path);
  const { config, dtype, bytes, assumed, close } = await openModelFile(weights);
  await close();
  const tokenizer = await findTokenizer(path);
  return {
    format: "model folder",
    weights,
    bytes,
    dtype,
    parameters: parameterCount(config),
    ...config,
    ...(assumed.length > 0 && { assumed: assumed.join(", ") }),
    tokenizer: tokenizer ? `${tokenizer.kind}, ${tokenizer.vocabSize} tokens` : "none",
  };
}
