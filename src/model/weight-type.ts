import type { Backend, WeightType } from "../backend/backend.ts";
import { BLOCK } from "../backend/int8.ts";
import { backends } from "../backend/registry.ts";
import { shown, UsageError } from "../errors.ts";
import type { GPT2Config } from "./config.ts";
import { unevenMatrix } from "./parameters.ts";

/** The reason why a backend cannot keep a model's matrices in this type, with what to do; undefined if it can. */
export function weightTypeProblem(
  { name, weightTypes }: Pick<Backend, "name" | "weightTypes">,
  config: GPT2Config,
  type: WeightType,
): string | undefined {
  if (!weightTypes.includes(type)) {
    const others = backends.filter((other) => other.weightTypes.includes(type)).map((other) => other.name);
    const has = `The ${name} backend has weights in ${weightTypes.join(" or ")}`;
    if (others.length === 0) return `${has}, not in ${shown(type)}. Choose one of these.`;
    return `${has}, not in ${type}. Choose one of these, or a backend that has it: ${others.join(", ")}.`;
  }
  if (type !== "int8") return undefined;
  const uneven = unevenMatrix(config);
  if (!uneven) return undefined;
  return (
    `int8 has a scale for every ${BLOCK} numbers of a row, and ${uneven.hub} has rows of ${uneven.shape.at(-1)}. Choose bf16 or ` +
    "f32."
  );
}

/** UsageError where a backend cannot keep a model's matrices in this type. */
export function requireWeightType(backend: Backend, config: GPT2Config, type: WeightType): void {
  const problem = weightTypeProblem(backend, config, type);
  if (problem) throw new UsageError(problem);
}
