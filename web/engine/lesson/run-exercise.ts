import type { Report } from "../../../src/learn/task.ts";
import type { ExerciseInput } from "./protocol.ts";

/** Runs a task in a worker of its own. Ends with a report `done` or `failed`, also when it takes longer than `seconds`. */
export function runInWorker(input: ExerciseInput, onReport: (report: Report) => void, seconds: number): Promise<void> {
  const worker = new Worker(new URL("./exercise-worker.ts", import.meta.url), { type: "module" });
  return new Promise<void>((resolve) => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const end = (report: Report) => {
      clearTimeout(timer);
      worker.terminate();
      onReport(report);
      resolve();
    };
    worker.onmessage = ({ data }: MessageEvent<Report | { readonly type: "ready" }>) => {
      if (data.type === "done" || data.type === "failed") return end(data);
      if (data.type !== "ready") return onReport(data);
      // Loading the worker is not the reader's time.
      worker.postMessage(input);
      const message = `it did not end within ${seconds} seconds: does a loop run for ever?`;
      timer = setTimeout(() => end({ type: "failed", message }), seconds * 1000);
    };
    worker.onerror = (event) =>
      end({ type: "failed", message: event.message || "the worker that runs exercises could not be loaded" });
  });
}
