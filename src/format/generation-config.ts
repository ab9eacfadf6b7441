/** The tokens that end a text, in transformers' generation_config.json and config.json. */
import { InputError } from "../errors.ts";
import type { ByteSource } from "../platform/platform.ts";
import { parseObject } from "./json.ts";

export const generationConfigFile = "generation_config.json";

/** Bytes; far above any such file. */
const longestConfig = 1 << 20;

/** `eos_token_id` of a JSON file, as a list; undefined where it is absent or null. InputError for any other value. */
export async function readEndTokens(source: ByteSource): Promise<readonly number[] | undefined> {
  const text = new TextDecoder().decode(await source.read(0, Math.min(source.size, longestConfig)));
  const { eos_token_id: value } = parseObject(source.name, text, "Download it again, or remove it.");
  if (value === undefined || value === null) return undefined;
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  const tokens = list.filter((id): id is number => typeof id === "number" && Number.isSafeInteger(id) && id >= 0);
  if (tokens.length === list.length) return tokens;
  throw new InputError(
    `${source.name}: "eos_token_id" is ${JSON.stringify(value)}, expected a token id or a list of them. Correct it, or ` +
      "download the file again.",
  );
}

/** The fields by which both files name the tokens that end a text; the first of them begins one. */
export function endTokenFields(tokens: readonly number[]): Record<string, unknown> {
  if (tokens.length === 0) return {};
  return { bos_token_id: tokens[0], eos_token_id: tokens.length === 1 ? tokens[0] : tokens };
}

/** The generation_config.json that transformers samples with. */
export function generationConfig(tokens: readonly number[]): string {
  return `${JSON.stringify({ _from_model_config: true, ...endTokenFields(tokens) }, null, 2)}\n`;
}
