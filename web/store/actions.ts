/** What buttons do: each tells the engine, and shows what fails. */
import { computed, signal } from "@preact/signals";
import { download as offerDownload } from "../../src/platform/browser-download.ts";
import { engine } from "../engine/client.ts";
import type { DataInput, ExportFormat, ModelSummary, TextTokenizer } from "../engine/protocol.ts";
import { attempt } from "./failures.ts";
import { pastOf } from "./past.ts";
import { choice, preset } from "./setup.ts";
import { beginRun, data, device, model, refreshStored, run, runInfo } from "./state.ts";

// --- Text -----------------------------------------------------------------------------------------------------------

/** What a text was made of, so that its tokens can be changed; undefined for data of an earlier visit. */
export const input = signal<DataInput | undefined>();

let preparing = new AbortController();

export async function prepare(next: DataInput): Promise<void> {
  preparing.abort();
  preparing = new AbortController();
  const { signal } = preparing;
  const summary = await attempt("data", () => engine.prepare(next, signal));
  if (summary) input.value = next;
}

export function cancelPrepare(): void {
  preparing.abort();
}

/** The tokenizer that is being tried. */
const choosing = signal<TextTokenizer | undefined>();

/** Whether the model that is there has a tokenizer that encodes text. */
export const modelEncodes = computed(() => model.value !== undefined && encodes(model.value));

function encodes({ tokenizer }: ModelSummary): boolean {
  return tokenizer !== undefined && tokenizer !== "unknown";
}

/**
 * The tokenizer for texts: as it was chosen last, whatever the tokens of files that came since. The model's can be chosen
 * only while there is one.
 */
export const tokenizer = computed<TextTokenizer>(() => {
  const chosen = choosing.value ?? input.value?.tokenizer ?? "char";
  return chosen === "model" && !modelEncodes.value ? "char" : chosen;
});

export async function retokenize(next: TextTokenizer): Promise<void> {
  if (!input.value) return;
  choosing.value = next;
  await prepare({ ...input.value, tokenizer: next });
  choosing.value = undefined;
}

// --- The model that is there ------------------------------------------------------------------------------------------

/** Another model is taking its place: it must not be used until then. */
export const isReplacing = signal(false);

async function replacing<T>(action: () => Promise<T>): Promise<T> {
  isReplacing.value = true;
  try {
    return await action();
  } finally {
    isReplacing.value = false;
  }
}

// --- Run ------------------------------------------------------------------------------------------------------------

export async function start(): Promise<void> {
  await attempt("run", () =>
    replacing(async () => {
      beginRun();
      await engine.start(choice.value);
    }),
  );
  // Now, not before: the browser may ask the person, who should know what for.
  await attempt("stored", keep);
}

export async function pause(): Promise<void> {
  await attempt("run", () => engine.pause());
}

export async function resume(): Promise<void> {
  await attempt("run", () => engine.resume());
}

export async function stop(): Promise<void> {
  await attempt("run", () => engine.stop());
  await attempt("stored", refreshStored);
}

/** Goes on with a run that is in storage. */
export async function continueRun(name: string): Promise<void> {
  await attempt("run", () =>
    replacing(async () => {
      beginRun(await pastOf(name));
      await engine.continueRun(name);
    }),
  );
  await attempt("stored", refreshStored);
}

export async function continueStopped(): Promise<void> {
  if (run.value.phase === "stopped" && runInfo.value) await continueRun(runInfo.value.name);
}

async function keep(): Promise<void> {
  const storage = await engine.keepStorage();
  if (device.value) device.value = { ...device.value, storage };
  await refreshStored();
}

// --- Models and runs that are kept ------------------------------------------------------------------------------------

export async function openFiles(files: readonly File[]): Promise<void> {
  await opened(await attempt("open", () => replacing(() => engine.open(files))));
}

export async function openRun(name: string): Promise<void> {
  await opened(await attempt("stored", () => replacing(() => engine.openRun(name))));
}

/** A text in the tokens of the model before is cut anew, in those of this one; undefined: it could not be opened. */
async function opened(summary: ModelSummary | undefined): Promise<void> {
  if (!summary) return;
  preset.value = "opened";
  if (input.value?.tokenizer !== "model") return;
  await prepare({ ...input.value, tokenizer: encodes(summary) ? "model" : "char" });
}

export async function deleteRun(name: string): Promise<void> {
  await attempt("stored", async () => {
    await engine.deleteRun(name);
    await keep();
  });
  // There may be room for it now.
  if (!data.value) await prepare({ kind: "shakespeare", tokenizer: "char" });
}

export async function download(format: ExportFormat): Promise<void> {
  await attempt("export", async () => {
    for (const file of await engine.export(format)) offerDownload(file.name, file);
  });
}
