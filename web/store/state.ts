/** The tab's store: the engine's state as signals. Nothing here computes or draws. */
import { batch, computed, signal } from "@preact/signals";
import { engine } from "../engine/client.ts";
import type {
  Activity,
  BackendChoice,
  DataSummary,
  DeviceInfo,
  EngineUpdate,
  ModelSummary,
  RunInfo,
  RunState,
  StoredRun,
} from "../engine/protocol.ts";
import { attempt } from "./failures.ts";
import { readableBeginningOf } from "./first-prompt.ts";
import { Pace } from "./pace.ts";
import { Progress } from "./progress.ts";

export const device = signal<DeviceInfo | undefined>();
/** The choice of a backend that is being started. */
export const pendingBackend = signal<BackendChoice | undefined>();
export const run = signal<RunState>({ phase: "idle" });
export const activity = signal<Activity | undefined>();
export const data = signal<DataSummary | undefined>();
export const model = signal<ModelSummary | undefined>();
/** Reason for which the newest state of the run is not in storage. */
export const unsaved = signal<string | undefined>();

/**
 * Beginning of the current text; empty if there is none, or the loaded model cannot encode it.
 */
export const readableBeginning = computed(() =>
  readableBeginningOf(data.value?.preview ?? "", model.value?.characters),
);

export const remarks = signal<readonly string[]>([]);
/** Runs in this browser, newest first; undefined before they are read. */
export const stored = signal<readonly StoredRun[] | undefined>();

/** A run is under way; its settings cannot be changed. */
export const isBusy = computed(() =>
  ["creating", "training", "pausing", "paused", "stopping"].includes(run.value.phase),
);

export const runInfo = computed<RunInfo | undefined>(() => ("run" in run.value ? run.value.run : undefined));

/** There is a run to show, under way or ended. */
export const hasRun = computed(() => runInfo.value !== undefined || run.value.phase === "creating");

/** Snapshot of a run for a frame of the page. */
interface Live {
  readonly progress: Progress;
  readonly msLeft: number | undefined;
}

let progress = new Progress();
let pace = new Pace();

export const live = signal<Live>(snapshot());

/** Replaces the last run's progress by that of the one that is about to start. */
export function resetProgress(next = new Progress()): void {
  progress = next;
  pace = new Pace();
  remarks.value = [];
  live.value = snapshot();
}

/** Subscribes to the engine, which starts it. */
export async function listen(): Promise<void> {
  await attempt("device", async () => {
    apply(await engine.subscribe(apply));
    device.value = await engine.device();
  });
  await attempt("stored", refreshStored);
}

export async function refreshStored(): Promise<void> {
  stored.value = await engine.stored();
}

function apply(update: EngineUpdate): void {
  const before = runInfo.value;
  batch(() => {
    if (update.state) run.value = update.state;
    if (update.activity !== undefined) activity.value = update.activity ?? undefined;
    if (update.data !== undefined) data.value = update.data ?? undefined;
    if (update.model !== undefined) model.value = update.model ?? undefined;
    if (update.device && device.value) device.value = { ...device.value, ...update.device };
    if (update.unsaved !== undefined) unsaved.value = update.unsaved ?? undefined;
    if (update.remarks.length > 0) remarks.value = [...new Set([...remarks.value, ...update.remarks])];
  });
  // The run is resumed from an earlier checkpoint than expected if the newest one is damaged.
  if (runInfo.value && (runInfo.value.name !== before?.name || runInfo.value.from !== before.from))
    progress.rewindTo(runInfo.value.from);
  for (const event of update.events) progress.add(event);
  if (run.value.phase === "training") pace.mark(performance.now(), progress.step);
  else pace.reset();
  if (update.events.length > 0 || update.state) scheduleDraw();
  if (update.state && "run" in update.state && !isBusy.value) void attempt("stored", refreshStored);
}

let isDue = false;

/** Updates `live` with the next frame: not while the page is hidden. */
function scheduleDraw(): void {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    live.value = snapshot();
  });
}

function snapshot(): Live {
  const msLeft = run.value.phase === "training" ? pace.msLeft(runInfo.value?.steps ?? 0) : undefined;
  return { progress, msLeft };
}
