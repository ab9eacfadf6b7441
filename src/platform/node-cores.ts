/** Processor cores that this process may use: by its affinity, and by its container's quota of processor time. */
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";

export interface UsableCores {
  readonly count: number;
  /** The container's quota where that is what limits the count, in cores: 2.5. */
  readonly quota?: number;
}

export function usableCores(read: (path: string) => string | undefined = readText): UsableCores {
  const cores = availableParallelism();
  const quota = containerQuota(read);
  // Rounded down: threads beyond the quota would all be stopped for a part of each period.
  return quota < cores ? { count: Math.max(1, Math.floor(quota)), quota } : { count: cores };
}

/** Numbers of the cores that a process may use; undefined where that is not known: on Linux alone it is. */
export function allowedCores(pid: number | "self"): readonly number[] | undefined {
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readText(`/proc/${pid}/status`) ?? "")?.[1];
  return list?.split(",").flatMap((range) => {
    const [first, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

/** Cores' worth of processor time that a Linux control group, or one above it, grants; infinite without a limit. */
export function containerQuota(read: (path: string) => string | undefined): number {
  const groups = (read("/proc/self/cgroup") ?? "").trim().split("\n");
  const quotas = groups.flatMap((line) => {
    const [, controllers = "", path = "/"] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === "") return ancestors(path).map((folder) => coresOf(read(`/sys/fs/cgroup${folder}/cpu.max`)));
    if (!controllers.split(",").includes("cpu")) return [];
    return ancestors(path).map((folder) => {
      const file = (name: string) => read(`/sys/fs/cgroup/${controllers}${folder}/cpu.cfs_${name}_us`);
      return coresOf(`${file("quota")} ${file("period")}`);
    });
  });
  return Math.min(Number.POSITIVE_INFINITY, ...quotas);
}

/** Quota and period in microseconds: "200000 100000" is two cores, "max 100000" and "-1 100000" are no limit. */
function coresOf(text = ""): number {
  const [, quota, period] = /^(\d+)\s+(\d+)\s*$/.exec(text) ?? [];
  return Number(quota) > 0 && Number(period) > 0 ? Number(quota) / Number(period) : Number.POSITIVE_INFINITY;
}

/** "/a/b" as "/a/b", "/a" and "". */
function ancestors(path: string): string[] {
  const names = path.split("/").filter((name) => name !== "");
  return names.map((_, i) => `/${names.slice(0, names.length - i).join("/")}`).concat("");
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined; // not Linux, or a system without this controller
  }
}
