import type { Command } from "commander";
import type { GivenOptions } from "../../runs/record.ts";
import { depthSizes } from "../../train/depth.ts";
import { settingsOf } from "../../train/resolve.ts";
import { examples } from "../options/common.ts";
import { say } from "../output.ts";
import { refuseLlmcOptions } from "./llmc-options.ts";
import { addTrainOptions, type TrainFlags } from "./options.ts";

/** "  --depth 4                     4 heads, 256 channels, …" */
function depthLine(depth: number): string {
  const { batch, block, steps, accumulate, learningRate } = settingsOf({ depth }, depthSizes(depth).maxT);
  const { NH, C, maxT } = depthSizes(depth);
  const sizes = `${NH} heads, ${C} channels, context ${maxT}`;
  const updates = `${steps} updates of ${accumulate * batch * block} tokens, rate ${learningRate}`;
  return `${`  --depth ${depth}`.padEnd(32)}${sizes}; ${updates}`;
}

export function addTrain(program: Command): void {
  program.hook("preSubcommand", (_, command) => {
    if (command.name() === "train") refuseLlmcOptions(command, program.args.slice(1));
  });
  const command = program
    .command("train")
    .summary("train a model")
    .description(
      "Trains GPT-2, from scratch or from a model file. Without options it does what llm.c's train_gpt2 did in April 2024; " +
        "what that does today, with shuffled data and shorter validations, is --order shuffle -m 5.",
    );
  addTrainOptions(command)
    .addHelpText(
      "after",
      `
Models:
  baby                          4 layers, 4 heads, 128 channels, learns from characters: nanoGPT's example for CPUs
  d6, d12, d24, d36, d48        as large as GPT-2's four sizes (d12 to d48), from scratch
  custom                        your own --layers, --heads, --channels (these change the others, too)
  gpt2, gpt2-medium, gpt2-large, gpt2-xl, distilgpt2
                                pretrained: llm.c's file (gpt2_124M.bin, …) here or beside the data, else downloaded
  FILE or run folder            continue training this model

Depth:
  --depth N makes a new model of N layers with 64 channels each, as nanochat does, in place of --model: heads of 64 channels,
  a context, a batch and a learning rate that go with it, and 12 tokens for each parameter of its layers. Options override.
${[2, 4, 8, 12].map(depthLine).join("\n")}
${examples(
  ["a small model, in a minute or two, into runs/baby-001", "llm-ts train --model baby -o runs/"],
  ["a model as large as a text and an evening allow", "llm-ts train --depth 6 -i book -o runs/"],
  ["the same in twenty minutes, whatever the machine", "llm-ts train --depth 4 --minutes 20 -i book -o runs/"],
  [
    "a LoRA adapter on a large model, in little memory",
    "llm-ts train -e gpt2-large -i book -b 1 -t 512 -l 2e-4 --lora-rank 8 --weights int8 -o runs/",
  ],
  ["llm.c's run", "llm-ts train -e gpt2_124M.bin -i tiny_shakespeare_train.bin -j tiny_shakespeare_val.bin"],
  [
    "several processes of a cluster (docs/many-machines.md)",
    "mpirun -np 8 llm-ts train -i data -d 524288 -o runs/big -y",
  ],
  ["your own text", "llm-ts prepare book.txt --tokenizer char --out book && llm-ts train -e baby -i book -o runs/"],
)}`,
    )
    .action(async (typed: TrainFlags, command: Command) => {
      const { inGroup } = await import("../group.ts");
      const again = "start them again with --resume (-y)";
      await inGroup(typed, { words: "train …", command, again }, async (member) => {
        const { group } = member;
        const isChosen = ["backend", "kernel", "blas"].some((name) => command.getOptionValueSource(name) === "cli");
        const { inRank0 } = await import("../../group/together.ts");
        const kept = typed.resume && !isChosen ? await inRank0(group, () => keptComputing(typed)) : {};
        const flags = { ...typed, ...kept };
        const { startBackend } = await import("../backend.ts");
        // Workers start while the rest is imported and the data is looked at.
        const backend = startBackend(flags, member);
        backend.catch(() => {}); // thrown where it is awaited
        const { train } = await import("./run.ts");
        await train(flags, backend, member);
      });
    });
}

/** Backend, kernel and BLAS that the run to resume was given. InputError when its config.json is damaged. */
async function keptComputing({ out }: TrainFlags): Promise<Pick<GivenOptions, "backend" | "kernel" | "blas">> {
  const { givenComputing } = await import("./resume.ts");
  const kept = await givenComputing(out);
  const chosen = [kept.kernel ?? kept.backend, kept.blas].filter((name) => name !== undefined);
  if (chosen.length > 0)
    say(`computing with ${chosen.join(" and ")}, as the run did (--backend, --kernel and --blas choose otherwise)`);
  return kept;
}
