import { type Command, InvalidArgumentError } from "commander";
import { addBackendOptions } from "../options/backend.ts";
import { adapterOption, examples, weightsOption } from "../options/common.ts";
import { addSamplingOptions } from "../options/sampling.ts";
import { whole } from "../options/values.ts";
import type { ChatFlags } from "./run.ts";

const notes = `
The model has to have learned conversations: llm-ts prepare --chat makes data of them, llm-ts train trains on it. Commands such
as /reset and /temperature 0.5 begin with /; /help lists them. Ctrl-C stops an answer, and a second time the program.
A model sees as many tokens as it has positions. Where a conversation grows longer, its oldest turns are left out; the system
prompt stays. From a pipe, each line is a message, and standard output has the answers alone; where a line
failed, the exit code is 1.
`;

export function addChat(program: Command): void {
  const command = program
    .command("chat")
    .summary("talk with a model that has learned conversations")
    .description("Talks with a model that has learned conversations: a line is a message, and the model answers it.")
    .argument("[model]", "a model file, a folder of a run or a download (default: the newest run in runs/)")
    .option("-e, --model <file>", "the same, as generate has it")
    .option("--system <text>", "instructions before the first message", textOf)
    .option("-g, --tokens <n>", "tokens of an answer at most", whole(1), 256);
  addSamplingOptions(command, 0.7)
    .option("--seed <n>", "of sampling; each answer takes the next one", whole(0), 1337)
    .addOption(weightsOption())
    .addOption(adapterOption());
  addBackendOptions(command)
    .addHelpText(
      "after",
      notes +
        examples(
          ["with the newest run", "llm-ts chat"],
          ["with instructions", 'llm-ts chat runs/baby-001 --system "Answer in one sentence."'],
          [
            "always the most probable answer, to one message",
            'echo "Hello." | llm-ts chat runs/baby-001 --temperature 0',
          ],
          [
            "from nothing: data, a model of four minutes, a chat",
            "llm-ts prepare --chat smalltalk --tokenizer bpe:512 -o data/smalltalk && \\\n" +
              "    llm-ts train --model baby -i data/smalltalk -t 256 -b 8 -x 700 -o runs/ && llm-ts chat",
          ],
        ),
    )
    .action(async (model: string | undefined, flags: ChatFlags) => {
      const { chat } = await import("./run.ts");
      await chat(model, flags);
    });
}

function textOf(text: string): string {
  if (text.trim() !== "") return text;
  throw new InvalidArgumentError("Expected a text. Leave the option out for no instructions.");
}
