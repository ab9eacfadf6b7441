import { input, prepare } from "./actions.ts";
import { data, listen } from "./state.ts";

let hasBegun = false;

/** When a view of the tab is first shown, the engine starts, and tiny Shakespeare is made ready where nothing else is. */
export function begin(): void {
  if (hasBegun) return;
  hasBegun = true;
  // A file that is dropped beside the cards would take the page's place.
  for (const type of ["dragover", "drop"] as const) addEventListener(type, (event) => event.preventDefault());
  void makeReady();
}

async function makeReady(): Promise<void> {
  await listen();
  const there = data.value;
  if (!there) await prepare({ kind: "shakespeare", tokenizer: "char" });
  // A model's own tokens are read from files: that model need not be there any more.
  else if (there.kind === "shakespeare" && there.tokenizer !== "unknown" && there.tokenizer !== "huggingface")
    input.value = { kind: "shakespeare", tokenizer: there.tokenizer };
}
