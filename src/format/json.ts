import { InputError, messageOf } from "../errors.ts";

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Parses a file's text as a JSON object. InputError for anything else; `advice` ends its message. */
export function parseObject(name: string, text: string, advice: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new InputError(`${name} is not valid JSON: ${messageOf(error)}. ${advice}`, { cause: error });
  }
  if (isObject(value)) return value;
  throw new InputError(`${name} holds no JSON object. ${advice}`);
}
