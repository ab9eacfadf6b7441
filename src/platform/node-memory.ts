/** Memory of the machine, or of the container that this process runs in. */
import { freemem, totalmem } from "node:os";
import type { MachineMemory } from "./platform.ts";

/** What a container may take; infinite where there is no limit, which the system reports as 0 or as an enormous number. */
function containerLimit(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? limit : Number.POSITIVE_INFINITY;
}

export const machineMemory: MachineMemory = {
  get total() {
    return Math.min(totalmem(), containerLimit());
  },
  available() {
    const left = this.total - process.memoryUsage.rss();
    // Free memory includes what caches of files would give back, except on macOS, where it says nothing.
    return Math.max(0, process.platform === "darwin" ? left : Math.min(left, freemem()));
  },
};
