/** `--lora-rank` and what goes with it: which matrices are adapted, and what cannot be. */
import { UsageError } from "../errors.ts";
import type { GPT2Config } from "../model/config.ts";
import { type LoraConfig, type LoraTarget, loraTargets, shapeOfTarget } from "../model/lora.ts";
import { type RunChoices, type TrainSettings, trainOptions } from "./settings.ts";

export type LoraOptions = Pick<TrainSettings, "loraRank" | "loraAlpha" | "loraTargets">;

/** PEFT's names of the matrices, and what means several. */
const named: Readonly<Record<string, readonly LoraTarget[]>> = {
  all: loraTargets,
  ...Object.fromEntries(loraTargets.map((target) => [target, [target]])),
  c_attn: ["qkv"],
  c_fc: ["fc"],
  c_proj: ["attproj", "fcproj"],
};

/** The adapter that options ask for; undefined: none. UsageError for matrices that there are not, and a rank above theirs. */
export function loraOf(options: LoraOptions, config: GPT2Config): LoraConfig | undefined {
  const { loraRank: rank, loraAlpha, loraTargets: wanted } = options;
  if (rank === 0) return undefined;
  const chosen = wanted.split(",").flatMap((name) => {
    const found = named[name.trim()];
    if (found) return found;
    throw new UsageError(
      `loraTargets (--lora-targets) has "${name.trim()}", which is no matrix of a layer. Choose all, or some of ` +
        `${loraTargets.join(", ")}, separated by commas.`,
    );
  });
  const targets = loraTargets.filter((target) => chosen.includes(target));
  for (const target of targets) {
    const shape = shapeOfTarget(config, target);
    if (rank > Math.min(...shape))
      throw new UsageError(
        `A LoRA of rank ${rank} (--lora-rank) is larger than the matrix ${target} of ${shape.join(" x ")} that it would adapt. ` +
          `Choose ${Math.min(...shape)} or less; 4 to 64 is usual.`,
      );
  }
  return { rank, alpha: loraAlpha || 2 * rank, targets };
}

/** UsageError for options of an adapter where none is trained. */
export function checkLoraChoices({ loraRank = 0, loraAlpha = 0, loraTargets, weights = "f32" }: RunChoices): void {
  if (loraRank > 0) return;
  const { default: usual } = trainOptions.loraTargets;
  const chosen = {
    "--lora-alpha": loraAlpha !== 0,
    "--lora-targets": (loraTargets ?? usual) !== usual,
    "--weights": weights !== "f32",
  };
  for (const [flag, isChosen] of Object.entries(chosen))
    if (isChosen)
      throw new UsageError(
        `${flag} is for training an adapter, which leaves the model's weights as they are: add --lora-rank 8, or leave it out.`,
      );
}

type Combined = LoraOptions & Pick<TrainSettings, "precision" | "zeroStage">;

/** UsageError where training an adapter cannot be combined with another option. */
export function checkLora({ loraRank, precision, zeroStage }: Combined): void {
  if (loraRank === 0) return;
  if (precision !== "fp32")
    throw new UsageError(
      `An adapter (--lora-rank) is trained in fp32, not in ${precision}. Leave --precision out; the frozen weights take less ` +
        "memory with --weights bf16 or int8.",
    );
  if (zeroStage !== 0)
    throw new UsageError(
      "AdamW's moments of an adapter (--lora-rank) are small, and processes do not share them out. Leave --zero-stage out.",
    );
}
