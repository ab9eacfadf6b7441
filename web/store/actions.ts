/** Actions of the page's buttons: each calls the engine, and shows what fails. */
import { computed, signal } from "@preact/signals";
import type { BackendName } from "../../src/backend/registry.ts";
import { download as offerDownload } from "../../src/platform/browser-download.ts";
import { engine } from "../engine/client.ts";
import type { BackendChoice, DataInput, ExportFormat, ModelSummary, TextTokenizer } from "../engine/protocol.ts";
import { remember } from "../remember.ts";
import { attempt } from "./failures.ts";
import { choice, preset } from "./setup.ts";
import { data, device, model, pendingBackend, refreshStored, resetProgress, run, runInfo } from "./state.ts";
import { storedProgress } from "./stored-progress.ts";

// --- Text -----------------------------------------------------------------------------------------------------------

/** The input of the current data, to prepare it with another tokenizer; undefined for data of an earlier visit. */
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

/** The tokenizer to which the current text is being changed. */
const pendingTokenizer = signal<TextTokenizer | undefined>();

/** True if the loaded model has a tokenizer that encodes text. */
export const modelEncodes = computed(() => model.value !== undefined && encodes(model.value));

function encodes({ tokenizer }: ModelSummary): boolean {
  return tokenizer !== undefined && tokenizer !== "unknown";
}

/**
 * The tokenizer for texts: the user's last selection, which token files do not change. "model" applies only while the
 * loaded model encodes text.
 */
export const tokenizer = computed<TextTokenizer>(() => {
  const chosen = pendingTokenizer.value ?? input.value?.tokenizer ?? "char";
  return chosen === "model" && !modelEncodes.value ? "char" : chosen;
});

export async function retokenize(next: TextTokenizer): Promise<void> {
  if (!input.value) return;
  pendingTokenizer.value = next;
  await prepare({ ...input.value, tokenizer: next });
  pendingTokenizer.value = undefined;
}

// --- The loaded model -----------------------------------------------------------------------------------------------

/** The model is being replaced, and must not be used meanwhile. */
export const isReplacing = signal(false);

async function whileReplacing<T>(action: () => Promise<T>): Promise<T> {
  isReplacing.value = true;
  try {
    return await action();
  } finally {
    isReplacing.value = false;
  }
}

// --- Backend --------------------------------------------------------------------------------------------------------

let choosing: Promise<void> = Promise.resolve();

/** Chooses a backend, for later visits as well. Of choices while another one is being started, the last one counts. */
export function chooseBackend(choice: BackendChoice): void {
  pendingBackend.value = choice;
  choosing = choosing.then(async () => {
    if (pendingBackend.value !== choice) return;
    const chosen = await attempt("backend", () => whileReplacing(() => engine.choose(choice)));
    if (chosen) {
      device.value = chosen;
      remember("backend", choice);
    }
    if (pendingBackend.value === choice) pendingBackend.value = undefined;
  });
}

// --- Run ------------------------------------------------------------------------------------------------------------

export async function start(): Promise<void> {
  await attempt("run", () =>
    whileReplacing(async () => {
      resetProgress();
      await engine.start(choice.value);
    }),
  );
  // Only now: the browser may ask the user for permission, who should see what it is for.
  await attempt("stored", persistStorage);
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

/** Resumes a run in storage; `backend`: not the chosen one, for this time. */
export async function resumeRun(name: string, backend?: BackendName): Promise<void> {
  await attempt("run", () =>
    whileReplacing(async () => {
      resetProgress(await storedProgress(name));
      await engine.resumeRun(name, backend);
    }),
  );
  await attempt("stored", refreshStored);
}

export async function resumeStopped(): Promise<void> {
  if (run.value.phase === "stopped" && runInfo.value) await resumeRun(runInfo.value.name);
}

async function persistStorage(): Promise<void> {
  const storage = await engine.keepStorage();
  if (device.value) device.value = { ...device.value, storage };
  await refreshStored();
}

// --- Stored models and runs -----------------------------------------------------------------------------------------

export async function openFiles(files: readonly File[]): Promise<void> {
  await afterOpening(await attempt("open", () => whileReplacing(() => engine.open(files))));
}

export async function openRun(name: string): Promise<void> {
  await afterOpening(await attempt("stored", () => whileReplacing(() => engine.openRun(name))));
}

/** Prepares a text that is in the earlier model's tokens again, in those of the opened one. `summary` undefined: opening failed. */
async function afterOpening(summary: ModelSummary | undefined): Promise<void> {
  if (!summary) return;
  preset.value = "opened";
  if (input.value?.tokenizer !== "model") return;
  await prepare({ ...input.value, tokenizer: encodes(summary) ? "model" : "char" });
}

export async function deleteRun(name: string): Promise<void> {
  await attempt("stored", async () => {
    await engine.deleteRun(name);
    await persistStorage();
  });
  // The storage may have been too full for it before.
  if (!data.value) await prepare({ kind: "shakespeare", tokenizer: "char" });
}

export async function download(format: ExportFormat): Promise<void> {
  await attempt("export", async () => {
    for (const file of await engine.export(format)) offerDownload(file.name, file);
  });
}
