import { InputError } from "../errors.ts";
import type { HellaSwagExample } from "../format/hellaswag.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { textField, wellFormed } from "./items.ts";
import type { Item } from "./jsonl.ts";

/** The fields of the original HellaSwag that are used. */
export const hellaSwagFields = ["ctx", "endings", "label"];

/**
 * An example of the original HellaSwag (fields `ctx`, `endings`, `label`) in tokens, as llm.c renders it: a space comes
 * before each ending. InputError names a field that is wrong.
 */
export function hellaSwagExample(item: Item, tokenizer: Tokenizer): HellaSwagExample {
  const { endings, label } = item.value;
  const wrong = (field: string, expected: string) =>
    new InputError(
      `${item.name}: "${field}" is ${JSON.stringify(item.value[field])?.slice(0, 60) ?? "missing"}, expected ${expected}.`,
    );
  if (!isTexts(endings)) throw wrong("endings", "four texts");
  // Parquet has it as a text. Of the test split, labels are not published.
  const number = label === "" ? Number.NaN : Number(label);
  if (![0, 1, 2, 3].includes(number))
    throw wrong("label", "0 to 3 (the test split has none: use the validation split)");
  const context = tokenizer.encode(textField(item, "ctx"), { ordinary: true });
  if (context.length === 0) throw wrong("ctx", "a text that is not empty");
  const encodeEnding = (ending: string) =>
    tokenizer.encode(` ${wellFormed(ending, `${item.name}: the field "endings"`)}`, { ordinary: true });
  return {
    context,
    endings: endings.map(encodeEnding),
    label: Number(label),
  };
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.length === 4 && value.every((text) => typeof text === "string");
}
