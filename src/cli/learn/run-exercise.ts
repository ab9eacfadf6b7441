import { Worker } from "node:worker_threads";
import type { Report, Task } from "../../learn/task.ts";

export interface WorkerInput {
  /** The file's URL, and the function that it exports. */
  readonly url: string;
  readonly name: string;
  readonly task: Task;
  /** URL of the file with the function `adamw`, which training needs. */
  readonly adamw?: string;
}

const entry = new URL(`./exercise-worker-entry${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);

/** Runs a task in a worker. Ends with a report `done` or `failed`, also when it takes longer than `seconds`, or all memory. */
export function runExercise(input: WorkerInput, onReport: (report: Report) => void, seconds: number): Promise<void> {
  const worker = new Worker(entry, {
    workerData: input,
    execArgv: executionArguments(),
    resourceLimits: { maxOldGenerationSizeMb: 1024 },
  });
  return new Promise<void>((resolve) => {
    let ended = false;
    const end = (report: Report) => {
      if (ended) return;
      ended = true;
      clearTimeout(timer);
      onReport(report);
      void worker.terminate().then(() => resolve());
    };
    const failed = (message: string) => end({ type: "failed", message });
    const timer = setTimeout(
      () => failed(`it did not end within ${seconds} seconds: does a loop run for ever?`),
      Math.min(seconds * 1000, 2 ** 31 - 1),
    );
    worker.on("message", (report: Report) => {
      if (ended) return;
      if (report.type === "done" || report.type === "failed") end(report);
      else onReport(report);
    });
    worker.on("error", (error: Error) => failed(error.message));
    worker.on("exit", (code) => failed(`it ended its thread with code ${code}`));
  });
}

/** Of this process, those that lead to the sources where it runs them; nothing else. */
function executionArguments(): string[] {
  return process.execArgv.filter((argument) => argument.startsWith("--conditions"));
}
