/** What a worker of the wasm backend runs in a browser. No bare imports from here on: import maps end at the page. */
import { runWorker, type WorkerStart } from "../backend/wasm/worker.ts";

self.addEventListener("message", (event: MessageEvent<WorkerStart>) => {
  runWorker(event.data, (report) => self.postMessage(report));
});
