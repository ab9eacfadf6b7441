import { platform } from "#platform";
import { InputError } from "../errors.ts";

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The object that a JSON text holds; InputError when there is none. */
export function parseObject(path: string, text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new InputError(`${path} is no valid JSON: it is damaged (${String(error)}).`, { cause: error });
  }
  if (isObject(value)) return value;
  throw new InputError(`${path} holds no JSON object: it is damaged.`);
}

/** A text file, whole. InputError for one that is missing, or too large to be what it should be. */
export async function readText(path: string): Promise<string> {
  const source = await platform.openSource(path);
  try {
    if (source.size > longestText)
      throw new InputError(`${path} has ${source.size} bytes, expected at most ${longestText}: it is another file.`);
    return new TextDecoder().decode(await source.read(0, source.size));
  } finally {
    await source.close();
  }
}

const longestText = 64 << 20;
