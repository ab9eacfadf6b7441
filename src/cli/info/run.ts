import { platform } from "#platform";
import { adapterWeights, baseOfAdapter, differenceFromBase, holdsAdapter } from "../../api/adapter-base.ts";
import { configBeside, openModelFile } from "../../api/model-file.ts";
import { onnxFile } from "../../api/onnx-folder.ts";
import { availableBackends, surveyBlas, surveyKernels } from "../../backend/registry.ts";
import { datasetFile, findTokenizer, readDataset, requireComplete } from "../../data/dataset.ts";
import { describe, mergesFormat } from "../../data/describe.ts";
import { requireUnlocked } from "../../data/folder-lock.ts";
import { InputError, UsageError } from "../../errors.ts";
import { adapterFiles, describeAdapter } from "../../format/adapter.ts";
import type { HeaderlessType } from "../../format/headerless.ts";
import { identify } from "../../format/identify.ts";
import { isShardIndex, shardFiles } from "../../format/safetensors-shards.ts";
import { sizeOf, withSource } from "../../format/source.ts";
import { parameterCount, weightBytes } from "../../model/parameters.ts";
import { folderOf, inFolder, nameOf } from "../../platform/paths.ts";
import type { ByteSource } from "../../platform/platform.ts";
import { missingModelFiles } from "../../runs/checkpoint.ts";
import { runFolders, withTimes } from "../../runs/node-run-list.ts";
import { readRun } from "../../runs/read-run.ts";
import { holdsRun } from "../../runs/run-config.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import { isTrace, openDump } from "../../verify/trace-file.ts";
import { duration } from "../display/text.ts";
import { Interrupt } from "../interrupt.ts";
import { locateModel, newestModel, remarkOnOlder, withoutModel } from "../options/model.ts";
import { print, say } from "../output.ts";
import { suggestion } from "../suggest.ts";
import { backendTable, blasTable, kernelTable, systemFacts, threadTable } from "./system.ts";

/** The options of `llm-ts info`. */
export interface InfoFlags {
  readonly system?: boolean;
  readonly headerless?: boolean | HeaderlessType;
  readonly json?: boolean;
}

/** Names and values that are printed of a file, a folder or the machine. */
type Facts = Readonly<Record<string, unknown>>;

export async function info(file: string | undefined, flags: InfoFlags): Promise<void> {
  new Interrupt();
  if (flags.system) {
    if (file !== undefined) throw new UsageError("Give either a file or --system.");
    if (flags.headerless)
      throw new UsageError("--headerless is about a file of tokens, and --system about this machine.");
    return infoSystem(flags);
  }
  if (file === undefined) throw new UsageError("Give a file to look at, or --system.");
  const facts = await factsOf(file, flags);
  await show({ file, ...facts }, flags);
  const next = facts.missing !== undefined ? await withoutModel(file) : nextCommand(file, facts);
  if (next !== undefined) say(`\n${next}`);
}

async function show(facts: Facts, { json }: InfoFlags): Promise<void> {
  if (json) return print(`${JSON.stringify(facts)}\n`);
  const known = Object.entries(facts).filter(([, value]) => value !== undefined);
  const width = Math.max(...known.map(([name]) => name.length));
  await print(known.map(([name, value]) => `${name.padEnd(width)}  ${inWords(value)}\n`).join(""));
}

function inWords(value: unknown): string {
  if (typeof value === "number" && Number.isInteger(value)) return value.toLocaleString("en-US");
  if (typeof value !== "object" || value === null) return String(value);
  return Object.entries(value)
    .map(([name, inner]) => `${name} ${inWords(inner)}`)
    .join(", ");
}

async function infoSystem(flags: InfoFlags): Promise<void> {
  const backends = await availableBackends();
  const survey = await surveyKernels();
  const libraries = await surveyBlas({ revectorize: true });
  const facts = systemFacts(survey);
  if (flags.json) {
    const { candidates = [], threadSpeeds = [] } = survey ?? {};
    return show({ ...facts, backends, kernels: candidates, threadSpeeds, libraries }, flags);
  }
  await show(facts, flags);
  await print(`\n${backendTable(backends)}`);
  if (survey) await print(`\n${kernelTable(survey)}${threadTable(survey)}`);
  if (libraries.length > 0) await print(`\n${blasTable(libraries)}`);
}

async function factsOf(path: string, { headerless }: InfoFlags): Promise<Facts> {
  const isFolder = (await platform.pathKind(path)) === "folder";
  const isAdapter = isFolder ? await holdsAdapter(path) : nameOf(path) === adapterFiles.weights;
  if (isAdapter) return adapterFacts(await adapterWeights(path));
  const folder = isFolder ? path : folderOf(path);
  if (isFolder || path.endsWith(datasetFile)) return folderFacts(folder);
  if (isShardIndex(path)) return indexFacts(path);
  return withSource(path, async (source) => {
    if (!headerless && (await identify(source)) === "safetensors" && (await isTrace(source))) return traceFacts(source);
    const facts = await describe(source, { headerless, config: (header) => configBeside(header, path) });
    return facts.format === mergesFormat ? { ...facts, vocabulary: await vocabularyBeside(path) } : facts;
  });
}

/** What `llm-ts trace` writes. */
async function traceFacts(source: ByteSource): Promise<Facts> {
  const { shapes, origin } = await openDump(source);
  const { config, ...step } = origin ?? {};
  return { format: "trace of a training step", bytes: source.size, tensors: shapes.size, ...step, ...config };
}

/** The index of a model in several files; of one that can be read, the model as well. */
async function indexFacts(path: string): Promise<Facts> {
  const files = await shardFiles(path);
  const facts = {
    format: `index of a safetensors model in ${files.length} ${files.length === 1 ? "file" : "files"}`,
    bytes: await sizeOf(path),
    files: files.map(nameOf).join(", "),
  };
  try {
    const { bytes: total, ...model } = await weightsFacts(path);
    return { ...facts, total, ...model };
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return { ...facts, model: `none: ${error.message}` };
  }
}

/** Of merges.txt, which is no tokenizer without it. */
async function vocabularyBeside(merges: string): Promise<string> {
  const isThere = (await platform.pathKind(inFolder(folderOf(merges), "vocab.json"))) === "file";
  return isThere ? "vocab.json beside it" : "none: vocab.json belongs beside it, and is missing";
}

/** A LoRA adapter, and the model that it adapts. */
async function adapterFacts(weights: string): Promise<Facts> {
  const facts = await withSource(inFolder(folderOf(weights), adapterFiles.config), (configFile) =>
    withSource(weights, async (source) => ({ bytes: source.size, ...(await describeAdapter(configFile, source)) })),
  );
  const { isStabilised, targets, base, ...rest } = facts;
  const known = await baseOfAdapter(weights);
  return {
    format: "LoRA adapter",
    ...rest,
    ...(isStabilised && { scale: "alpha / sqrt(rank)" }),
    targets: targets.join(", "),
    model: base ?? "not named",
    ...(known && { base: known.path, sha256: known.sha256, state: await stateOfBase(weights, known.path) }),
  };
}

const baseIsThere = "the base is there";

async function stateOfBase(weights: string, base: string): Promise<string> {
  if ((await platform.pathKind(base)) !== "file") return "the base is not there";
  const difference = await differenceFromBase(weights, base);
  return difference === undefined ? baseIsThere : `the base was replaced: ${difference}`;
}

/** Prepared data, a run, a model, runs, texts, or a tokenizer; InputError for a folder of anything else, or a damaged one. */
async function folderFacts(path: string): Promise<Facts> {
  const dataset = await readDataset(path);
  if (dataset) return { format: "prepared data", ...dataset };
  if (await holdsRun(path)) return runFacts(path);
  await requireComplete(path);
  const runs = await runFolders(path);
  if (runs.length > 0) return { format: "folder with runs", runs: runs.length, folders: runs.join(", ") };
  const names = await platform.listFolder(path);
  if (names.some((name) => /^(model.*|pytorch_model)\.(bin|safetensors(\.index\.json)?)$/.test(name)))
    return modelFacts(path);
  if ((await platform.pathKind(inFolder(path, onnxFile))) === "file") return onnxFacts(path);
  const texts = names.filter((name) => /\.(txt|md|jsonl|parquet)$/.test(name) && name !== "merges.txt").length;
  if (texts > 0) return { format: "folder with texts", texts, files: names.length };
  const tokenizer = await findTokenizer(path);
  if (tokenizer) return { format: "folder of a tokenizer", tokenizer: inShort(tokenizer), files: names.join(", ") };
  await requireUnlocked(path);
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
    ...(await modelOfRun(path)),
  };
}

/** The newest model of a run, or its newest adapter with the state of its base; or the files of its last checkpoint that are missing. */
async function modelOfRun(path: string): Promise<Facts | undefined> {
  const newest = await newestModel(path);
  if (newest === undefined) {
    const missing = await missingModelFiles(path);
    return missing.length > 0 ? { missing: missing.join(", ") } : undefined;
  }
  await remarkOnOlder(path, newest);
  const base = nameOf(newest) === adapterFiles.weights ? await baseOfAdapter(newest) : undefined;
  return { newest, ...(base && { state: await stateOfBase(newest, base.path) }) };
}

const inShort = ({ kind, vocabSize }: Tokenizer) => `${kind}, ${vocabSize} tokens`;

/** A model with what belongs to it: what `convert` writes, and what the hub has. */
async function modelFacts(path: string): Promise<Facts> {
  const weights = await locateModel(path);
  const facts = await weightsFacts(weights);
  const tokenizer = await findTokenizer(path);
  return { format: "model folder", weights, ...facts, tokenizer: tokenizer ? inShort(tokenizer) : "none" };
}

async function weightsFacts(weights: string): Promise<Facts> {
  const { config, dtype, bytes, assumed, close } = await openModelFile(weights);
  await close();
  return {
    bytes,
    dtype,
    parameters: parameterCount(config),
    memory: weightBytes(config),
    ...config,
    ...(assumed.length > 0 && { assumed: assumed.join(", ") }),
  };
}

/** What `convert --to onnx` writes. */
async function onnxFacts(path: string): Promise<Facts> {
  const weights = inFolder(path, onnxFile);
  const { format: _, ...facts } = await withSource(weights, (source) => describe(source));
  const tokenizer = await findTokenizer(path);
  return {
    format: "model folder for transformers.js",
    weights,
    ...facts,
    tokenizer: tokenizer ? inShort(tokenizer) : "none",
  };
}

/** A command to try with it; undefined where nothing is obvious. */
function nextCommand(path: string, { format, newest, base, encoding, state = baseIsThere }: Facts): string | undefined {
  const reading = encoding === undefined ? [] : ["--encoding", String(encoding)];
  if (/^(text|folder with texts|documents)/.test(String(format)))
    return `make tokens of it to train on:\n  ${suggestion("prepare", path, ...reading)}`;
  if (/^conversations/.test(String(format)))
    return `make tokens of them to train on:\n  ${suggestion("prepare", "--chat", path)}`;
  const hasModel =
    format === "model folder" ||
    (format === "LoRA adapter" && base !== undefined) ||
    (format === "training run" && newest !== undefined);
  return hasModel && state === baseIsThere
    ? `write with this model:\n  ${suggestion("generate", "--model", path)}`
    : undefined;
}
