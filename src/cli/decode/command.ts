import type { Command } from "commander";
import { TextSplitter } from "../../data/text-splitter.ts";
import { InputError } from "../../errors.ts";
import { TextStream } from "../../tokenizer/tokenizer.ts";
import { Interrupt } from "../interrupt.ts";
import { examples } from "../options/common.ts";
import { tokenizerNamed, tokenizerOption } from "../options/tokenizer.ts";
import { print } from "../output.ts";

export function addDecode(program: Command): void {
  program
    .command("decode")
    .summary("print the text of token ids")
    .description("Prints the text that token ids stand for. Ids are separated by spaces, commas or line ends.")
    .argument("<ids...>", 'the ids, or "-" to read them from standard input', (ids, earlier: string[] = []) => [
      ...earlier,
      ids,
    ])
    .addOption(tokenizerOption())
    .addHelpText(
      "after",
      examples(
        ["a few ids", "llm-ts decode 15496 11 995"],
        ["the output of a program", "./my_program | llm-ts decode -"],
      ),
    )
    .action(decode);
}

async function decode(args: readonly string[], options: { tokenizer: string }): Promise<void> {
  new Interrupt();
  const text = new TextStream(await tokenizerNamed(options.tokenizer));
  const { platform } = await import("#platform");
  const { readText } = await import("../../data/text.ts");
  const input = args[0] === "-" && args.length === 1 ? readText(await platform.openStream("-")) : [args.join(" ")];
  for await (const piece of words(input)) await print(piece.map((word) => text.push(idOf(word))).join(""));
  await print(text.end());
  // The text alone, so that it can be piped; on a terminal the prompt should start on a line of its own.
  if (process.stdout.isTTY) await print("\n");
}

/** The words of a text that comes in pieces. */
async function* words(pieces: AsyncIterable<string> | Iterable<string>): AsyncGenerator<string[]> {
  const splitter = new TextSplitter(/[\s,[\]]+/);
  for await (const piece of pieces) yield splitter.push(piece).filter((word) => word !== "");
  if (splitter.rest !== "") yield [splitter.rest];
}

function idOf(word: string): number {
  if (/^\d{1,15}$/.test(word)) return Number(word);
  throw new InputError(
    `${JSON.stringify(word.slice(0, 40))} is not a token id. Give whole numbers of 0 or more, separated by spaces or commas.`,
  );
}
