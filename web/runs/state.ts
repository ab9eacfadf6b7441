/** What the Runs view knows: which runs there are, which are looked at, and how. */
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

/** The runs of each source; undefined until they are known. */
export const lists = {
  disk: signal<readonly RunSummary[] | undefined>(undefined),
  tab: signal<readonly RunSummary[] | undefined>(undefined),
};

/** The folder that the server shows; null: there is no server; undefined: not known yet. */
export const folder = signal<string | null | undefined>(undefined);

/** Whether the server answers. */
export const connected = signal(true);

/** How the curves are drawn. */
export const xKind = signal<XKind>("updates");
export const logX = signal(false);
export const logY = signal(false);
/** Over how many updates curves are smoothed; undefined: over a fiftieth of each. */
export const smoothing = signal<number | undefined>(undefined);
/** The part of x that all charts show; undefined: all. */
export const zoom = signal<Range | undefined>(undefined);
/** The x that is pointed at. */
export const cursor = signal<number | undefined>(undefined);

effect(() => {
  // Another x is another range.
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

/** The runs that are looked at. */
export const selection = computed<readonly RunKey[]>(
  () => selectionIn(route.value.rest)?.map(found) ?? (newest.value === undefined ? [] : [newest.value]),
);

/** A name without a place is that of a run in this browser where the folder has none of this name. */
function found(key: RunKey): RunKey {
  const { source, name } = parseKey(key);
  const has = (one: SourceName) => lists[one].value?.some(({ folder }) => folder === name);
  return source === "disk" && !has("disk") && has("tab") ? keyOf("tab", name) : key;
}

export function toggle(key: RunKey): void {
  const next = toggled(selection.value, key);
  location.hash = hashOf("runs", ...(next.length > 0 ? next : [nothing]));
}

/** The number of each selected run's colour, from 1. */
export const colours = computed<ReadonlyMap<RunKey, number>>(() => {
  lastColours = colourRuns(selection.value, lastColours);
  return lastColours;
});
let lastColours = new Map<RunKey, number>();

export function colourOf(key: RunKey): string {
  return `--series-${(colours.value.get(key) ?? 0) + 1}`;
}

/** What was read of runs; those that are not selected any more stay, for when they are again. */
const loaded = new Map<RunKey, LoadedRun>();

export const selectedRuns = computed<readonly LoadedRun[]>(() =>
  selection.value.flatMap((key) => {
    const { source } = parseKey(key);
    // Whether there is a server must be known first, and that there is one.
    if (source === "disk" && typeof folder.value !== "string") return [];
    const run = loaded.get(key) ?? new LoadedRun(key, sources[source]);
    loaded.set(key, run);
    return [run];
  }),
);

/** Watches all runs there are. Gives what ends that. */
export function watchRuns(): () => void {
  let wasLost = false;
  const take = (source: SourceName) => (event: SourceEvent) => {
    if (event.type === "runs") lists[source].value = event.runs;
    else if (event.type === "lines") loaded.get(keyOf(source, event.run))?.append(event.lines, event.bytes);
    else if (event.type === "reset") void loaded.get(keyOf(source, event.run))?.load();
    else {
      if (event.alive && wasLost) for (const run of loaded.values()) void run.load();
      wasLost = !event.alive;
      connected.value = event.alive;
    }
  };
  const ends = [tabSource.listen(take("tab"))];
  let isOver = false;
  void findServer().then((server) => {
    folder.value = server?.folder ?? null;
    if (server && !isOver) ends.push(serverSource.listen(take("disk")));
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
