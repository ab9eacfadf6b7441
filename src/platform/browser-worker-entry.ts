/** Entry file of a wasm worker in a browser. No bare imports from here on: import maps do not apply in workers. */
import { runWorker, type WorkerStart } from "../backend/wasm/worker.ts";

self.addEventListener("message", (event: MessageEvent<WorkerStart>) => {
  void runWorker(event.data, (report) => self.postMessage(report));
});
