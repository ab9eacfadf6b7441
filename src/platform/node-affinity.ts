/** The cores that this process may run on. */
import { readFileSync } from "node:fs";

/** Numbers of the cores that a process may use; undefined where that is not known: on Linux alone it is. */
export function allowedCores(pid: number | "self"): readonly number[] | undefined {
  try {
    const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return list?.split(",").flatMap((range) => {
      const [first, last = first] = range.split("-").map(Number);
      return Array.from({ length: last - first + 1 }, (_, i) => first + i);
    });
  } catch {
    return undefined;
  }
}
