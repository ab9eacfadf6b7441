/** Texts that the arguments of a command name. */
import { parse } from "node:path";
import { findInputs } from "../../data/documents.ts";
import { UsageError } from "../../errors.ts";
import { say } from "../output.ts";
import { suggestion } from "../suggest.ts";

/** book.txt, books/ and tinyshakespeare give their names; several texts, or those of standard input, have none. */
export function nameOfTexts(inputs: readonly string[]): string {
  const name = inputs.length === 1 ? parse(inputs[0]).name : "";
  return /^[^.*?-]/.test(name) ? name : "text";
}

/** The .jsonl and .parquet files that arguments name; UsageError when there are plain texts as well. */
export async function itemFiles(inputs: readonly string[]): Promise<readonly string[]> {
  const { texts, items, leftOut } = await findInputs(inputs);
  if (leftOut.length > 0) say(`left out, as they are no texts: ${listed(leftOut)}`);
  if (items.length === 0 || texts.length === 0) return items;
  throw new UsageError(
    `${items[0]} holds documents with fields, and ${texts[0].name} is a plain text. Prepare them apart, into different ` +
      `folders, as in ${suggestion("prepare", ...items.slice(0, 3), "-o", "data/documents")}`,
  );
}

/** The first names of a list, and how many more there are. */
function listed(names: readonly string[]): string {
  const shown = names.slice(0, 5).join(", ");
  return names.length > 5 ? `${shown} and ${names.length - 5} more` : shown;
}
