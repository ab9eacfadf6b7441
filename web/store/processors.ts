/** Backends as the page calls them: by their processors. */
import type { BackendName } from "../../src/backend/registry.ts";
import type { Timing } from "../engine/protocol.ts";
import { milliseconds } from "../parts/numbers.ts";
import { activity, device } from "./state.ts";
import { text } from "./text.ts";

/** "CPU" or "GPU"; a backend's own name where the engine does not know it. */
export function processorOf(name: BackendName): string {
  return device.value?.backends.find((backend) => backend.name === name)?.processor ?? name;
}

/** The backend of the processor's cores, if there is one. */
export function cpuBackend(): BackendName | undefined {
  return device.value?.backends.find(({ processor }) => processor === "CPU")?.name;
}

/** The times of a step that are known: "GPU 12.3 ms, CPU 85 ms". */
export function timesOf({ steps }: Timing): string {
  const known = steps.flatMap(({ backend, ms }) => (ms === undefined ? [] : [[backend, ms] as const]));
  return known
    .sort(([, a], [, b]) => a - b)
    .map(([backend, ms]) => `${processorOf(backend)} ${milliseconds(ms)}`)
    .join(text().comma);
}

/** The part of a GPU's first start that is under way: " (3 of 11: forward, small)"; empty without one. */
export function partOfStart(): string {
  const part = activity.value?.part;
  return part ? text().part(part) : "";
}
