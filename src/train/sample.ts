import type { GPT2 } from "../api/gpt2.ts";
import { continueTokens } from "../generate/decoder.ts";
import { Sampler } from "../generate/sampler.ts";
import type { Parameters } from "../model/tensor-set.ts";
import type { DecodeWorkspace } from "../model/workspace.ts";
import type { SampleEvent } from "./events.ts";
import type { SamplePlan } from "./plan.ts";
import type { TrainerState } from "./state.ts";

/**
 * A text by the model as it is. Undefined when `signal` ended it early: then its random numbers count as unused, so that
 * a run resumed from here writes it whole.
 */
export async function writeSample(
  { backend, tokenizer, unusedIds }: GPT2,
  parameters: Parameters,
  ws: DecodeWorkspace,
  { prompt, newTokens: maxTokens, firstState }: SamplePlan,
  state: TrainerState,
  signal?: AbortSignal,
): Promise<SampleEvent | undefined> {
  const sampler = new Sampler({ state: state.sampler === undefined ? firstState : BigInt(state.sampler) }, unusedIds);
  const written: number[] = [];
  for await (const token of continueTokens(backend, parameters, ws, prompt, { maxTokens, sampler, signal }))
    written.push(token);
  if (written.length < maxTokens) return undefined;
  state.sampler = String(sampler.state);
  state.sampledAt = state.step;
  const text = tokenizer?.decode(written) ?? "";
  return { type: "sample", step: state.step, tokens: [...prompt, ...written], text };
}
