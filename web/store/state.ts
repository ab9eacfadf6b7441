/** The tab's store: what the engine told last, as signals. Nothing here computes or draws. */
import { batch, computed, signal } from "@preact/signals";
import { engine } from "../engine/client.ts";
import type {
  Activity,
  DataSummary,
  DeviceInfo,
  EngineUpdate,
  ModelSummary,
  RunInfo,
  RunState,
  StoredRun,
} from "../engine/protocol.ts";
import { attempt } from "./failures.ts";
import { beginningFor } from "./first-prompt.ts";
import { Pace } from "./pace.ts";
import { Progress } from "./progress.ts";

export const device = signal<DeviceInfo | undefined>();
export const run = signal<RunState>({ phase: "idle" });
export const activity = signal<Activity | undefined>();
export const data = signal<DataSummary | undefined>();
export const model = signal<ModelSummary | undefined>();
/** Why the newest state of the run is not in storage. */
export const unsaved = signal<string | undefined>();

/**
 * How the text begins that the model learned from, or could read: that of other characters it could not. Empty where none is
 * known.
 */
export const knownBeginning = computed(() => beginningFor(data.value?.preview ?? "", model.value?.characters));

export const remarks = signal<readonly string[]>([]);
/** Runs in this browser, the newest first; undefined before they were read. */
export const stored = signal<readonly StoredRun[] | undefined>();

/** A run is there whose settings cannot be changed any more. */
export const isBusy = computed(() =>
  ["creating", "training", "pausing", "paused", "stopping"].includes(run.value.phase),
);

export const runInfo = computed<RunInfo | undefined>(() => ("run" in run.value ? run.value.run : undefined));

/** A run is under way, or was: there is something to show. */
export const hasRun = computed(() => runInfo.value !== undefined || run.value.phase === "creating");

/** What is seen of a run: made anew when something is drawn. */
export interface Live {
  readonly progress: Progress;
  readonly msLeft: number | undefined;
}

let progress = new Progress();
let pace = new Pace();

export const live = signal<Live>(snapshot());

/** Forgets the run before: another one begins. */
export function beginRun(past = new Progress()): void {
  progress = past;
  pace = new Pace();
  remarks.value = [];
  live.value = snapshot();
}

/** Begins to listen to the engine, which starts with it. */
export async function listen(): Promise<void> {
  await attempt("device", async () => {
    take(await engine.subscribe(take));
    device.value = await engine.device();
  });
  await attempt("stored", refreshStored);
}

export async function refreshStored(): Promise<void> {
  stored.value = await engine.stored();
}

function take(update: EngineUpdate): void {
  const before = runInfo.value;
  batch(() => {
    if (update.state) run.value = update.state;
    if (update.activity !== undefined) activity.value = update.activity ?? undefined;
    if (update.data !== undefined) data.value = update.data ?? undefined;
    if (update.model !== undefined) model.value = update.model ?? undefined;
    if (update.unsaved !== undefined) unsaved.value = update.unsaved ?? undefined;
    if (update.remarks.length > 0) remarks.value = [...new Set([...remarks.value, ...update.remarks])];
  });
  // Its newest checkpoint may have been damaged: then it goes on from an earlier one than was thought.
  if (runInfo.value && (runInfo.value.name !== before?.name || runInfo.value.from !== before.from))
    progress.goBackTo(runInfo.value.from);
  for (const event of update.events) progress.add(event);
  if (run.value.phase === "training") pace.mark(performance.now(), progress.step);
  else pace.forget();
  if (update.events.length > 0 || update.state) drawSoon();
  if (update.state && "run" in update.state && !isBusy.value) void attempt("stored", refreshStored);
}

let isDue = false;

/** With the next frame: not at all while nobody can see it. */
function drawSoon(): void {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    live.value = snapshot();
  });
}

function snapshot(): Live {
  const msLeft = run.value.phase === "training" ? pace.left(runInfo.value?.steps ?? 0) : undefined;
  return { progress, msLeft };
}
