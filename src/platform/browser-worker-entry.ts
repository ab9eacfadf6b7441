/** Entry file of a wasm worker in a browser. No bare imports from here on: import maps do not apply in workers. */
import { kernelWorker, type NewBank, type WorkerStart } from "../backend/wasm/worker.ts";

const receive = kernelWorker((report) => self.postMessage(report));
self.addEventListener("message", ({ data }: MessageEvent<WorkerStart | NewBank>) => void receive(data));
