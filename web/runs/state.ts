/** State of the Runs view: the lists of runs, the selection, and the charts' options. */
import { batch, computed, effect, signal } from "@preact/signals";
import type { RunSummary } from "../../src/runs/read-run.ts";
import type { Range } from "../parts/range.ts";
import { hashOf, route } from "../route.ts";
import { LoadedRun } from "./loaded-run.ts";
import type { XKind } from "./run-data.ts";
import { colourRuns, keyOf, nothing, parseKey, type RunKey, selectionIn, toggled } from "./selection.ts";
import { findServer, serverSource } from "./server-source.ts";
import type { RunSource, SourceEvent, SourceName } from "./source.ts";
import { tabSource } from "./tab-source.ts";

const sources: Record<SourceName, RunSource> = { disk: serverSource, tab: tabSource };

/** The runs of each source; undefined until they are loaded. */
export const lists = {
  disk: signal<readonly RunSummary[] | undefined>(undefined),
  tab: signal<readonly RunSummary[] | undefined>(undefined),
};

/** The server's folder; null: there is no server; undefined: not known yet. */
export const folder = signal<string | null | undefined>(undefined);

/** True while the server answers. */
export const connected = signal(true);

/** Options of the charts. */
export const xKind = signal<XKind>("updates");
export const logX = signal(false);
export const logY = signal(false);
/** Window of smoothing in updates; undefined: a fiftieth of each curve. */
export const smoothing = signal<number | undefined>(undefined);
/** Range of x of all charts; undefined: the whole range. */
export const zoom = signal<Range | undefined>(undefined);
/** The x under the pointer. */
export const cursor = signal<number | undefined>(undefined);

effect(() => {
  // A range of one kind of x means nothing for another.
  void xKind.value;
  zoom.value = undefined;
});

const isReadable = ({ status }: RunSummary) => status !== "unreadable";

const newest = computed<RunKey | undefined>(() => {
  const all = (["disk", "tab"] as const).flatMap((source) =>
    (lists[source].value ?? [])
      .filter(isReadable)
      .map(({ folder, created = "" }) => ({ key: keyOf(source, folder), created })),
  );
  return all.reduce<(typeof all)[number] | undefined>((a, b) => (a && a.created >= b.created ? a : b), undefined)?.key;
});

/** The selected runs. */
export const selection = computed<readonly RunKey[]>(
  () => selectionIn(route.value.rest)?.map(resolved) ?? (newest.value === undefined ? [] : [newest.value]),
);

/** A name without a prefix means a run in this browser if the folder has none of that name. */
function resolved(key: RunKey): RunKey {
  const { source, name } = parseKey(key);
  const has = (one: SourceName) => lists[one].value?.some(({ folder }) => folder === name);
  return source === "disk" && !has("disk") && has("tab") ? keyOf("tab", name) : key;
}

export function toggle(key: RunKey): void {
  const next = toggled(selection.value, key);
  location.hash = hashOf("runs", ...(next.length > 0 ? next : [nothing]));
}

/** Index of each selected run's colour, from 0. */
export const colours = computed<ReadonlyMap<RunKey, number>>(() => {
  lastColours = colourRuns(selection.value, lastColours);
  return lastColours;
});
let lastColours = new Map<RunKey, number>();

export function colourOf(key: RunKey): string {
  return `--series-${(colours.value.get(key) ?? 0) + 1}`;
}

/** Loaded runs, including those selected earlier. */
const loaded = new Map<RunKey, LoadedRun>();

export const selectedRuns = computed<readonly LoadedRun[]>(() =>
  selection.value.flatMap((key) => {
    const { source } = parseKey(key);
    // Only once the server is known to exist.
    if (source === "disk" && typeof folder.value !== "string") return [];
    const run = loaded.get(key) ?? new LoadedRun(key, sources[source]);
    loaded.set(key, run);
    return [run];
  }),
);

/** Watches all sources. Returns a function that ends it. */
export function watchRuns(): () => void {
  let wasLost = false;
  const handle = (source: SourceName) => (event: SourceEvent) => {
    if (event.type === "runs") lists[source].value = event.runs;
    else if (event.type === "lines") loaded.get(keyOf(source, event.run))?.append(event.lines, event.bytes);
    else if (event.type === "reset") void loaded.get(keyOf(source, event.run))?.load();
    else {
      if (event.alive && wasLost) for (const run of loaded.values()) void run.load();
      wasLost = !event.alive;
      connected.value = event.alive;
    }
  };
  const ends = [tabSource.listen(handle("tab"))];
  let isOver = false;
  void findServer().then((server) => {
    folder.value = server?.folder ?? null;
    if (server && !isOver) ends.push(serverSource.listen(handle("disk")));
  });
  return () => {
    isOver = true;
    for (const end of ends) end();
    batch(() => {
      loaded.clear();
      cursor.value = undefined;
    });
  };
}
