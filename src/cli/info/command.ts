import type { Command } from "commander";
import { UsageError } from "../../errors.ts";
import type { HeaderlessType } from "../../format/headerless.ts";
import { Interrupt } from "../interrupt.ts";
import { examples, headerlessOption } from "../options/common.ts";
import { print, say } from "../output.ts";
import { suggestion } from "../suggest.ts";

interface InfoFlags {
  readonly system?: boolean;
  readonly headerless?: boolean | HeaderlessType;
  readonly json?: boolean;
}

export function addInfo(program: Command): void {
  program
    .command("info")
    .summary("tell what a file is, or what this machine has")
    .description(
      "Tells what a file holds, and whether it is whole: models, tokens, tokenizers, debug and optimizer states, " +
        "HellaSwag, safetensors, texts, and folders: runs, models, prepared data.",
    )
    .argument("[file]", "a file, or a folder: of a run, a model, or prepared data")
    .option("--system", "this processor and memory, and which kernels are fastest here")
    .addOption(headerlessOption())
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      examples(
        ["a checkpoint", "llm-ts info gpt2_124M.bin"],
        ["prepared data", "llm-ts info data/tinyshakespeare"],
        ["a run", "llm-ts info runs/baby-001"],
        ["this machine", "llm-ts info --system"],
      ),
    )
    .action(info);
}

export type Facts = Readonly<Record<string, unknown>>;

async function info(file: string | undefined, flags: InfoFlags): Promise<void> {
  new Interrupt();
  if (flags.system) {
    if (file !== undefined) throw new UsageError("Give either a file or --system.");
    return infoSystem(flags);
  }
  if (file === undefined) throw new UsageError("Give a file to look at, or --system.");
  const facts = await factsOf(file, flags);
  await show({ file, ...facts }, flags);
  const next = nextCommand(file, facts);
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
  const { surveyKernels } = await import("../../backend/registry.ts");
  const { kernelTable, systemFacts } = await import("./system.ts");
  const survey = await surveyKernels();
  const facts = systemFacts(survey);
  if (flags.json) return show({ ...facts, kernels: survey.candidates }, flags);
  await show(facts, flags);
  await print(`\n${kernelTable(survey)}`);
}

async function factsOf(path: string, { headerless }: InfoFlags): Promise<Facts> {
  const { platform } = await import("#platform");
  const { datasetFile } = await import("../../data/dataset.ts");
  const { folderOf, inFolder } = await import("../../platform/paths.ts");
  const isFolder = (await platform.pathKind(path)) === "folder";
  const folder = isFolder ? path : folderOf(path);
  if (isFolder || path.endsWith(datasetFile)) {
    const { folderFacts } = await import("./run.ts");
    return folderFacts(folder);
  }
  const { describe } = await import("../../data/describe.ts");
  const { readHuggingFaceConfig } = await import("../../format/huggingface-config.ts");
  const { withSource } = await import("../../format/source.ts");
  const configPath = inFolder(folder, "config.json");
  const isSafetensors = path.endsWith(".safetensors") && (await platform.pathKind(configPath)) === "file";
  const config = isSafetensors ? await withSource(configPath, readHuggingFaceConfig) : undefined;
  return withSource(path, (source) => describe(source, { headerless, config }));
}

/** What to do with it, as a command; undefined where nothing is obvious. */
function nextCommand(path: string, { format, checkpoint, encoding }: Facts): string | undefined {
  const reading = encoding === undefined ? [] : ["--encoding", String(encoding)];
  if (/^(text|folder with texts|documents)/.test(String(format)))
    return `make tokens of it to train on:\n  ${suggestion("prepare", path, ...reading)}`;
  const hasModel = format === "model folder" || (format === "training run" && checkpoint !== "none");
  return hasModel ? `write with this model:\n  ${suggestion("generate", "--model", path)}` : undefined;
}
