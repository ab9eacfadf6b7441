import { type Command, Option } from "commander";
import { defaultBackend } from "../../backend/registry.ts";
import type { GivenOptions } from "../../runs/record.ts";
import { type Rule, ruleOf } from "../../train/setting-rules.ts";
import type { RunChoices } from "../../train/settings.ts";
import { addBackendOptions, type BackendFlags } from "../options/backend.ts";
import { numeric, toggle } from "../options/values.ts";

/** The options of `llm-ts train` as they were given; what was not given is undefined. */
export interface TrainFlags extends BackendFlags, RunChoices {
  readonly out?: string;
  readonly resume?: boolean;
  readonly force?: boolean;
  readonly json?: boolean;
}

/** What was typed of what makes a run. */
export function typedOf(flags: TrainFlags): GivenOptions {
  const settings = Object.fromEntries(Object.entries(flags).filter(([name]) => ruleOf(name) !== undefined));
  return { ...settings, ...computingOf(flags) };
}

/** What computes, where that was chosen: a run that goes on keeps it, for the sake of its last bits. */
export function computingOf({ backend, kernel }: BackendFlags): Pick<GivenOptions, "backend" | "kernel"> {
  return {
    backend: backend === defaultBackend ? undefined : backend,
    kernel: kernel === "auto" ? undefined : kernel,
  };
}

/** What values an option takes, `settingRules` say, unless it is no setting. */
type OptionRow = [flags: string, description: string, parse?: (text: string) => unknown];

const groups: Readonly<Record<string, readonly OptionRow[]>> = {
  Model: [
    ["-e, --model <name|file>", "what to train, see below (default: gpt2)"],
    ["--layers <n>", "of custom, or of baby made larger: layers"],
    ["--heads <n>", "attention heads in a layer"],
    ["--channels <n>", "width, a multiple of the heads"],
    ["--context <n>", "longest sequence (default: as --block)"],
    ["--vocab <n>", "vocabulary (default: that of the data)"],
  ],
  Data: [
    ["-i, --train <glob>", "token files to train on, or a folder that prepare wrote (default: tiny Shakespeare)"],
    ["-j, --val <glob>", "token files to validate on (default: those of the folder, or tiny Shakespeare)"],
    [
      "--headerless [type]",
      "token files without a header: int32 (llm.c's of April 2024, default) or uint16 (nanoGPT's)",
    ],
    ["--order <name>", "in which order (default: file; baby: random)"],
    ["--seed <n>", "of everything random (default: 42; 1337 for the texts, as in llm.c)"],
    ["--data-seed <n>", "of the order alone"],
    ["--sample-seed <n>", "of the texts alone"],
  ],
  Updates: [
    ["-b, --batch <n>", "sequences in a batch (default: 4; baby: 12)"],
    ["-t, --block <n>", "tokens in a sequence (default: 64)"],
    ["-d, --total-batch <n>", "tokens of an update, a multiple of B*T (default: B*T)"],
    ["-x, --steps <n>", "updates; -1: one pass over the data (default: 41; baby: 2000)"],
    ["-a, --overfit [0|1]", "make every update on the first batch: can the model learn it by heart?"],
    ["-l, --lr <f>", "learning rate (default: 1e-4; baby: 1e-3)"],
    ["-k, --schedule <name>", "of the learning rate (default: constant; baby: cosine)"],
    ["-u, --warmup <n>", "updates over which it rises, unless constant (default: 0; baby: 100)"],
    ["-q, --final-lr-fraction <f>", "of the peak, at the schedule's end (default: 0; baby: 0.1)"],
    ["-c, --weight-decay <f>", "on embeddings and matrices (default: 0; baby: 0.1)"],
    ["--beta1 <f>", "AdamW's memory of gradients (default: 0.9)"],
    ["--beta2 <f>", "and of their squares (default: 0.999; baby: 0.99)"],
    ["--eps <f>", "AdamW's epsilon (default: 1e-8)"],
    ["--grad-clip <f>", "largest norm of the gradients; 0: any (default: 0; baby: 1)"],
    ["--skip-loss-z <f>", "no update when the loss is so many deviations above the last 128; 0: always"],
    ["--skip-norm-z <f>", "the same for the norm of the gradients (default for both: 0)"],
    ["--on-nan <what>", "stop at a loss or gradient that is no number, or skip it (default: stop)"],
  ],
  "Validation and samples": [
    ["-v, --val-every <n>", "validate every n updates; 0: never (default: 10; baby: 250)"],
    ["-m, --val-batches <n>", "batches of a validation (default: 10; baby: 20)"],
    ["--final-val-batches <n>", "batches of the last validation (default: as -m; baby: 200)"],
    ["--early-stop <n>", "stop when n validations in a row were no better; 0: never (default: 0)"],
    ["--early-stop-delta <f>", "by how much a validation must be better (default: 0)"],
    ["-s, --sample-every <n>", "write a text every n updates; 0: never (default: 20; baby: 250)"],
    ["-g, --sample-tokens <n>", "tokens of such a text (default: 64; baby: 128)"],
  ],
  "Run folder": [
    ["-o, --out <dir>", "folder for checkpoints and logs; with a slash at its end, a new numbered one inside it"],
    ["-n, --checkpoint-every <n>", "also save every n updates; 0: only at the end (default: 0)"],
    ["--keep <n>", "how many of the newest checkpoints are kept; 0: all (default: 2)"],
    ["--keep-every <n>", "besides, keep for ever those of every n updates; 0: none (default: 0)"],
    ["-y, --resume [0|1]", "continue the run in the folder --out; where there is none, begin it", toggle],
    ["--force", "with --resume: go on with other settings than the run had, or other data"],
  ],
  "Output and computing": [["--json", "one JSON object a line"]],
};

/** Declares every option of `train` on its command. */
export function addTrainOptions(command: Command): Command {
  for (const [heading, rows] of Object.entries(groups)) {
    command.optionsGroup(`${heading}:`);
    for (const [flags, description, parse] of rows) {
      const option = new Option(flags, description);
      const rule = ruleOf(option.attributeName());
      if (rule?.kind === "choice") option.choices(rule.values);
      const parser = parse ?? (rule && parserOf(rule, option.optional));
      if (parser) option.argParser(parser);
      command.addOption(option);
    }
  }
  return addBackendOptions(command);
}

function parserOf(rule: Rule, isOptional: boolean): ((text: string) => unknown) | undefined {
  if (rule.kind === "whole" || rule.kind === "real") return numeric(rule);
  return rule.kind === "switch" && isOptional ? toggle : undefined;
}
