/** Looking: what is asked of the engine, and what comes of it. */
import { computed, signal } from "@preact/signals";
import { engine } from "../engine/client.ts";
import type { ModelSummary } from "../engine/protocol.ts";
import { attempt } from "../store/failures.ts";
import { firstPrompt } from "../store/first-prompt.ts";
import { live, model, readableBeginning, runInfo } from "../store/state.ts";
import { result, show } from "./state.ts";

/** What was typed; undefined before anything was. */
export const typed = signal<string | undefined>();

export const prompt = computed(() => typed.value ?? firstPrompt(readableBeginning.value));

/** How much of a look is done, 0 to 1; undefined when there is none under way. */
export const share = signal<number | undefined>();

/** The model that was looked into last, as the store had it. */
let lookedInto: ModelSummary | undefined;

/** Whether the model that is there has not been looked into. */
export function isNew(): boolean {
  return model.value !== undefined && model.value !== lookedInto;
}

/** Updates that the model has made since it was looked into. */
export const learnedSince = computed(() => {
  const now = runInfo.value ? live.value.progress.step : (model.value?.step ?? 0);
  return isNew() ? 0 : now - (result.value?.model.step ?? 0);
});

let looking = new AbortController();

export async function look(): Promise<void> {
  looking.abort();
  looking = new AbortController();
  const { signal } = looking;
  share.value = 0;
  lookedInto = model.value;
  let isOver = false;
  // What is told of the way may come after the result: it takes another way through the worker.
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
