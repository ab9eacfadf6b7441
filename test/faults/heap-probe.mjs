// Loaded into a run by the soak (node --import): every few seconds it collects garbage and writes down what is left.
import { appendFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { isMainThread } from "node:worker_threads";

if (isMainThread) {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc");
  setInterval(() => {
    collect();
    const { heapUsed, external } = process.memoryUsage();
    appendFileSync(process.env.LLM_TS_HEAP_PROBE, `${heapUsed + external}\n`);
  }, 5000).unref();
}
