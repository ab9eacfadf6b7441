import type { Command } from "commander";
import { Interrupt } from "../interrupt.ts";
import { examples } from "../options/common.ts";
import { tokenizerNamed, tokenizerOption } from "../options/tokenizer.ts";
import { anyText } from "../options/values.ts";
import { print } from "../output.ts";

export function addEncode(program: Command): void {
  program
    .command("encode")
    .summary("print the token ids of a text")
    .description("Prints the token ids of a text, separated by spaces. <|endoftext|> is GPT-2's token of that name.")
    .argument("<text>", 'the text, or "-" to read it from standard input', anyText)
    .addOption(tokenizerOption())
    .addHelpText(
      "after",
      examples(
        ["the ids of a prompt", 'llm-ts encode "Hello, world"'],
        ["of a file, with the tokenizer of your own data", "llm-ts encode --tokenizer data/tokenizer.bin - < book.txt"],
      ),
    )
    .action(encode);
}

async function encode(text: string, options: { tokenizer: string }): Promise<void> {
  new Interrupt();
  const tokenizer = await tokenizerNamed(options.tokenizer);
  if (text !== "-") return print(`${tokenizer.encode(text, { prompt: true }).join(" ")}\n`);
  const { readText } = await import("../../data/text.ts");
  const { platform } = await import("#platform");
  const stream = tokenizer.encodeStream({ prompt: true });
  let separator = "";
  const printIds = async (ids: ArrayLike<number>) => {
    if (ids.length === 0) return;
    await print(separator + Array.from(ids).join(" "));
    separator = " ";
  };
  for await (const piece of readText(await platform.openStream("-"))) await printIds(stream.push(piece));
  await printIds(stream.end());
  await print("\n");
}
