/** Entry file of a wasm worker thread in Node. */
import { parentPort } from "node:worker_threads";
import { openSgemm } from "../backend/wasm/blas.ts";
import { kernelWorker } from "../backend/wasm/worker.ts";
import { openForeign } from "./node-foreign.ts";

parentPort?.on(
  "message",
  kernelWorker(
    (report) => parentPort?.postMessage(report),
    (library, memory) => openSgemm(openForeign, library, memory),
  ),
);
