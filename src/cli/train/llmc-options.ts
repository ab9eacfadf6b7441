/** The options of llm.c's GPU trainer (train_gpt2.cu) that `llm-ts train` does not have, or under another name. */
import type { Command } from "commander";
import type { TrainOption } from "../../train/setting-rules.ts";
import { trainOptions } from "../../train/settings.ts";
import { longFlag } from "./options.ts";

/** About GPUs and many machines. */
const absent: Readonly<Record<string, string>> = {
  "-f": "TF32 on a GPU; llm-ts computes in float32",
  "-w": "float32 copies of bfloat16 weights; here all weights are float32",
  "-ge": "GELU fused into a GPU's matmul",
  "-lg": "a GPU's state in the log",
  "-r": "recomputing activations to save a GPU's memory; llm-ts decides that by the model's size",
  ...Object.fromEntries(
    ["-pn", "-pr", "-pg", "-pi", "-pf", "-pm", "-ps", "-pp"].map((flag) => [
      flag,
      "how its processes find each other; here MPI does that: mpirun -np 4 llm-ts train",
    ]),
  ),
};

/** Ends with a usage error, which says what to write instead, at the first such option among the arguments of `train`. */
export function refuseLlmcOptions(train: Command, args: readonly string[]): void {
  for (const [at, arg] of args.entries()) {
    const advice = adviceOn(train, arg, args[at + 1]);
    if (advice) train.error(`error: ${advice}`, { exitCode: 2 });
  }
}

function adviceOn(train: Command, arg: string, value = ""): string | undefined {
  if (!/^-[a-z]{1,2}$/.test(arg)) return undefined;
  if (arg === "-h" && /^\d+$/.test(value))
    return (
      `-h ${value} is about HellaSwag in llm.c, and help here. Leave it out; llm-ts eval --hellaswag scores the model ` +
      "when it is trained."
    );
  const renamed = Object.values<TrainOption>(trainOptions).find(({ llmc }) => llmc === arg);
  const here = renamed && longFlag(renamed);
  if (here) return `${arg} is llm.c's name of an option that is ${here} here. Write ${here} ${value}`.trimEnd();
  const subject = absent[arg];
  if (subject) return `${arg} is an option of llm.c's GPU trainer that does not exist here (${subject}). Leave it out.`;
  const [short, letter] = [arg.slice(0, 2), arg[2]];
  const option = train.options.find((one) => one.short === short);
  if (letter === undefined || !option?.parseArg || option.argChoices) return undefined;
  return `${arg} means ${short} (${option.long}) with the value "${letter}". Write ${short} ${value}`.trimEnd();
}
