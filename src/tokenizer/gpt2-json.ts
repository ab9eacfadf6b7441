import { platform } from "#platform";
import { AddedTokens } from "./added-tokens.ts";
import { addedTokensOf, type Json, recordOf } from "./tokenizer-json.ts";

/** sha256 of GPT-2's merges.txt, OpenAI's vocab.bpe. */
const mergesHash = "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5";

/** True if a tokenizer.json of GPT-2's tokens also has its merges and settings, so that it encodes as GPT-2's does. */
export async function isGpt2Json(json: Json): Promise<boolean> {
  const model = recordOf(json.model);
  const pre = recordOf(json.pre_tokenizer);
  const added = addedTokensOf(json);
  return (
    (json.normalizer ?? null) === null &&
    pre.type === "ByteLevel" &&
    pre.add_prefix_space !== true &&
    pre.use_regex !== false &&
    [undefined, "ByteLevel"].includes(recordOf(json.post_processor).type as string | undefined) &&
    (model.continuing_subword_prefix ?? "") === "" &&
    (model.end_of_word_suffix ?? "") === "" &&
    added.length === 1 &&
    added[0].content === "<|endoftext|>" &&
    new AddedTokens(added).isLocal &&
    (await hashOf(model.merges)) === mergesHash
  );
}

async function hashOf(merges: unknown): Promise<string> {
  const lines = (Array.isArray(merges) ? merges : []).map((merge) => (Array.isArray(merge) ? merge.join(" ") : merge));
  const hash = await platform.sha256();
  hash.update(new TextEncoder().encode(`#version: 0.2\n${lines.join("\n")}\n`));
  return hash.digest();
}
