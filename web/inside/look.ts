/** Inspection of the loaded model by the engine. */
import { computed, signal } from "@preact/signals";
import { engine } from "../engine/client.ts";
import type { ModelSummary } from "../engine/protocol.ts";
import { attempt } from "../store/failures.ts";
import { firstPrompt } from "../store/first-prompt.ts";
import { live, model, readableBeginning, runInfo } from "../store/state.ts";
import { result, show } from "./state.ts";

/** The user's input; undefined before the first. */
export const typed = signal<string | undefined>();

export const prompt = computed(() => typed.value ?? firstPrompt(readableBeginning.value));

/** Progress of the inspection, 0 to 1; undefined when none is in progress. */
export const share = signal<number | undefined>();

/** The model inspected last, as the store had it. */
let inspected: ModelSummary | undefined;

/** True if the loaded model has not been inspected. */
export function isNew(): boolean {
  return model.value !== undefined && model.value !== inspected;
}

/** Updates of the model since it was inspected. */
export const updatesSince = computed(() => {
  const now = runInfo.value ? live.value.progress.step : (model.value?.step ?? 0);
  return isNew() ? 0 : now - (result.value?.model.step ?? 0);
});

let looking = new AbortController();

export async function look(): Promise<void> {
  looking.abort();
  looking = new AbortController();
  const { signal } = looking;
  share.value = 0;
  inspected = model.value;
  let isOver = false;
  // Progress takes another message channel than the result, and may arrive after it.
  const onProgress = (done: number) => {
    if (!isOver && !signal.aborted) share.value = done;
  };
  const found = await attempt("look", () => engine.look(prompt.value, onProgress, signal));
  isOver = true;
  if (signal.aborted) return;
  share.value = undefined;
  if (found) show(found);
}

export function cancelLook(): void {
  looking.abort();
  share.value = undefined;
}
