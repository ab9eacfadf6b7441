/** Entry file of a wasm worker thread in Node. */
import { parentPort } from "node:worker_threads";
import { runWorker, type WorkerStart } from "../backend/wasm/worker.ts";

parentPort?.once("message", (start: WorkerStart) => {
  runWorker(start, (report) => parentPort?.postMessage(report));
});
