/** What to do about a file that is no text in UTF-8: commands for the end of the message. */

import { holdsItems } from "../data/items.ts";
import { isBin } from "../data/not-text.ts";
import { InputError, NotTextError } from "../errors.ts";
import { withSource } from "../format/source.ts";
import { guessHeaderless, metaHint } from "../format/tokens.ts";
import { suggestion } from "./suggest.ts";

/**
 * The error with advice, if it is about a file that is no text; else the same. `args` are those of this command, which
 * has --encoding; `takesBytes`: it has --tokenizer byte as well.
 */
export async function advised(error: unknown, args: readonly string[], takesBytes: boolean): Promise<unknown> {
  if (!(error instanceof NotTextError)) return error;
  const advice = await adviceOn(error, args, takesBytes);
  return advice === undefined ? error : new InputError(`${error.message} ${advice}`, { cause: error });
}

async function adviceOn({ found }: NotTextError, args: readonly string[], takesBytes: boolean) {
  const { name, encoding, what } = found;
  if (encoding !== undefined) return `Read it as that: ${suggestion(...args, "--encoding", encoding)}`;
  if (isBin(name)) {
    if (what?.startsWith("a token file"))
      return `Train on it: ${suggestion("train", "--model", "baby", "--train", name, "-o", "runs/")}`;
    const type = await withSource(name, guessHeaderless).catch(() => undefined);
    if (type === undefined) return undefined;
    const hint = type === "uint16" ? await metaHint(name) : "";
    const command = suggestion("train", "--model", "baby", "--train", name, "--headerless", type, "-o", "runs/");
    return `${hint} Train on it: ${command}`.trimStart();
  }
  if (what !== undefined || !takesBytes || holdsItems(name)) return undefined;
  return `To train on its bytes as they are: ${suggestion(...args, "--tokenizer", "byte")}`;
}
