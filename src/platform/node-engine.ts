import { cpus } from "node:os";

/** V8's major and minor version: 11.3 in Node 20, 13.6 in Node 24. */
export const [v8Major = 0, v8Minor = 0] = process.versions.v8.split(".").map(Number);

/** Engine that compiles and runs the kernels: its version, and the processor. */
export function engine(): string {
  return `Node ${process.version}, V8 ${process.versions.v8}, ${cpus()[0]?.model.trim() ?? process.arch}`;
}
