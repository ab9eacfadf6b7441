import { cpus, totalmem, type } from "node:os";
import type { Machine } from "./report.ts";

export function describeMachine(): Machine {
  const processors = cpus();
  return {
    processor: processors[0]?.model.trim() ?? process.arch,
    cores: processors.length,
    memoryGiB: Math.round((totalmem() / 2 ** 30) * 10) / 10,
    system: `${type()} ${process.arch}`,
  };
}
