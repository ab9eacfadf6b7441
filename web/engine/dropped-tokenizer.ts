/** The tokenizer among dropped or chosen files: llm.c's with its dataset.json, or the hub's. */
import { chooseTokenizer, type FoundTokenizer, parseDataset } from "../../src/data/dataset.ts";
import { hubTokenizerFiles } from "../../src/format/huggingface-config.ts";
import { readSmallText, withSource } from "../../src/format/source.ts";
import { huggingFaceTokenizer } from "../../src/tokenizer/huggingface.ts";
import { loadTokenizer } from "../../src/tokenizer/load.ts";
import { sameTokens, type Tokenizer } from "../../src/tokenizer/tokenizer.ts";

/** True if a file is part of a tokenizer of the hub's. */
export function isHubFile({ name }: File): boolean {
  return hubTokenizerFiles.some((file) => file === name);
}

/**
 * Undefined when there is none. `llmc`: llm.c's file. If both kinds are there and differ, the one with `V` tokens is taken.
 * InputError for a damaged one, or when both fit.
 */
export async function droppedTokenizer(
  files: readonly File[],
  llmc: File | undefined,
  V?: number,
): Promise<Tokenizer | undefined> {
  const texts = new Map<string, string>();
  for (const file of files.filter(isHubFile)) texts.set(file.name, await readSmallText(file));
  const hub = await huggingFaceTokenizer(texts);
  const dataset = files.find(({ name }) => name === "dataset.json");
  const kind = dataset && parseDataset(dataset.name, await readSmallText(dataset)).tokenizer;
  const own = llmc && (await withSource(llmc, (source) => loadTokenizer(source, kind)));
  if (!own || !hub || !llmc) return hub ?? own;
  // llm.c's file holds the tokens only; the hub's files also say how text is split.
  if (sameTokens(own.tokens(), hub.tokens())) return hub;
  const found: FoundTokenizer[] = [
    { names: [llmc.name], tokenizer: own },
    { names: ["tokenizer.json"], tokenizer: hub },
  ];
  return chooseTokenizer("The choice of files", found, V ?? own.vocabSize);
}
