import { input, prepare } from "./actions.ts";
import { data, listen } from "./state.ts";

let isInitialized = false;

/** Starts the engine when a view of the tab is first shown, and prepares tiny Shakespeare unless there is other data. */
export function initialize(): void {
  if (isInitialized) return;
  isInitialized = true;
  // A browser would navigate to a file that is dropped beside the cards.
  for (const type of ["dragover", "drop"] as const) addEventListener(type, (event) => event.preventDefault());
  void prepareDefault();
}

async function prepareDefault(): Promise<void> {
  await listen();
  const found = data.value;
  if (!found) await prepare({ kind: "shakespeare", tokenizer: "char" });
  // Data in a model's own tokens cannot be prepared again: that model may not be loaded any more.
  else if (found.kind === "shakespeare" && found.tokenizer !== "unknown" && found.tokenizer !== "huggingface")
    input.value = { kind: "shakespeare", tokenizer: found.tokenizer };
}
