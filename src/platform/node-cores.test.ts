import { availableParallelism } from "node:os";
import { describe, expect, test } from "vitest";
import { containerQuota, usableCores } from "./node-cores.ts";

/** A machine with these files. */
function files(texts: Record<string, string>): (path: string) => string | undefined {
  return (path) => texts[path];
}

describe("a container's quota of processor time", () => {
  test("version 2: the lowest of the group's and those above it", () => {
    const root = { "/proc/self/cgroup": "0::/\n" };
    expect(containerQuota(files({ ...root, "/sys/fs/cgroup/cpu.max": "250000 100000\n" }))).toBe(2.5);
    expect(containerQuota(files({ ...root, "/sys/fs/cgroup/cpu.max": "max 100000\n" }))).toBe(Infinity);
    const nested = {
      "/proc/self/cgroup": "0::/pod/box\n",
      "/sys/fs/cgroup/pod/cpu.max": "150000 100000\n",
      "/sys/fs/cgroup/pod/box/cpu.max": "800000 100000\n",
    };
    expect(containerQuota(files(nested))).toBe(1.5);
  });

  test("version 1: quota and period in files of their own, -1 for no limit", () => {
    const group = "/proc/self/cgroup";
    const limited = {
      [group]: "5:memory:/box\n4:cpu,cpuacct:/box\n0::/\n",
      "/sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us": "50000\n",
      "/sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_period_us": "100000\n",
    };
    expect(containerQuota(files(limited))).toBe(0.5);
    const free = { ...limited, "/sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us": "-1\n" };
    expect(containerQuota(files(free))).toBe(Infinity);
  });

  test("none where the system has no such files, or others than expected", () => {
    expect(containerQuota(files({}))).toBe(Infinity);
    const odd = { "/proc/self/cgroup": "nonsense\n0::/\n", "/sys/fs/cgroup/cpu.max": "a lot\n" };
    expect(containerQuota(files(odd))).toBe(Infinity);
  });
});

test("usable cores are those of the quota, rounded down, at least one, and no more than there are", () => {
  const quota = (text: string) =>
    usableCores(files({ "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cpu.max": `${text} 100000` }));
  expect(quota("50000")).toEqual({ count: 1, quota: 0.5 });
  expect(quota("max")).toEqual({ count: availableParallelism() });
  expect(quota("99900000")).toEqual({ count: availableParallelism() });
});
