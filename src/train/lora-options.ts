/** `--lora-rank` and what goes with it: which matrices are adapted, and what cannot be. */
import { UsageError } from "../errors.ts";
import { isTargeted, moduleInLayer } from "../format/adapter.ts";
import type { GPT2Config } from "../model/config.ts";
import { type LoraConfig, type LoraTarget, loraTargets, shapeOfTarget } from "../model/lora.ts";
import type { TrainSettings } from "./settings.ts";

export type LoraOptions = Pick<TrainSettings, "loraRank" | "loraAlpha" | "loraTargets">;

/** The matrices that a name means: one of ours, all of them, or PEFT's, the end of a module's name. */
function targetsNamed(name: string): readonly LoraTarget[] {
  if (name === "all" || name === "all-linear") return loraTargets;
  return loraTargets.filter((target) => target === name || isTargeted(moduleInLayer(target), name));
}

/** The matrices in a list of names, in their order. UsageError for a name that means none. */
function targetsIn(names: string): LoraTarget[] {
  const chosen = names.split(",").flatMap((name) => {
    const found = targetsNamed(name.trim());
    if (found.length > 0) return found;
    throw new UsageError(
      `loraTargets (--lora-targets) has "${name.trim()}", which is no matrix of a layer. Choose all, or some of ` +
        `${loraTargets.join(", ")} or PEFT's names for them (${peftNames.join(", ")}), separated by commas.`,
    );
  });
  return loraTargets.filter((target) => chosen.includes(target));
}

const peftNames = loraTargets.map(moduleInLayer);

/** An option of an adapter as it counts: alpha as a number, the matrices under our names. UsageError for unknown matrices. */
export function loraOption(name: string, value: unknown, loraRank: number): unknown {
  if (name === "loraAlpha") return value === 0 ? usualAlpha(loraRank) : value;
  return name === "loraTargets" && typeof value === "string" ? targetsIn(value).join(",") : value;
}

const usualAlpha = (rank: number) => 2 * rank;

/** The adapter that options ask for; undefined: none. UsageError for matrices that there are not, and a rank above theirs. */
export function loraOf(options: LoraOptions, config: GPT2Config): LoraConfig | undefined {
  const { loraRank: rank, loraAlpha, loraTargets: wanted } = options;
  if (rank === 0) return undefined;
  const targets = targetsIn(wanted);
  for (const target of targets) {
    const shape = shapeOfTarget(config, target);
    if (rank > Math.min(...shape))
      throw new UsageError(
        `A LoRA of rank ${rank} (--lora-rank) is larger than the matrix ${target} of ${shape.join(" x ")} that it would adapt. ` +
          `Choose ${Math.min(...shape)} or less; 4 to 64 is usual.`,
      );
  }
  return { rank, alpha: loraAlpha || usualAlpha(rank), targets };
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
