/** Texts written by the loaded model on the user's prompts. */
import { computed, signal } from "@preact/signals";
import { engine } from "../engine/client.ts";
import type { WriteOptions, WriteResult } from "../engine/protocol.ts";
import { attempt } from "./failures.ts";
import { firstLine } from "./first-prompt.ts";
import { readableBeginning } from "./state.ts";

/** The user's input; undefined before the first. */
const typed = signal<string | undefined>();

export const prompt = computed(() => typed.value ?? firstLine(readableBeginning.value));

export function setPrompt(text: string): void {
  typed.value = text;
}
export const options = signal<Required<WriteOptions>>({
  maxTokens: 300,
  temperature: 0.8,
  topK: 0,
  topP: 1,
  seed: 1337,
});
/** The last prompt, and the text after it so far; undefined before the first. */
export const written = signal<{ readonly prompt: string; readonly text: string } | undefined>();
export const result = signal<WriteResult | undefined>();

const controller = signal<AbortController | undefined>();
export const isWriting = computed(() => controller.value !== undefined);

export function setOptions(some: WriteOptions): void {
  options.value = { ...options.value, ...some };
}

export async function write(): Promise<void> {
  const mine = new AbortController();
  controller.value = mine;
  const given = prompt.value;
  let text = "";
  let isDue = false;
  const show = () => {
    isDue = false;
    written.value = { prompt: given, text };
  };
  show();
  result.value = undefined;
  const onPiece = (piece: string) => {
    text += piece;
    if (isDue) return;
    isDue = true;
    requestAnimationFrame(show);
  };
  result.value = await attempt("write", () => engine.write(given, options.value, onPiece, mine.signal));
  show();
  controller.value = undefined;
}

export function stopWriting(): void {
  controller.value?.abort();
}
