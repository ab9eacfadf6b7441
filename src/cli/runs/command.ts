import type { Command } from "commander";
import { examples } from "../options/common.ts";
import type { RunsFlags } from "./run.ts";

export function addRuns(program: Command): void {
  program
    .command("runs")
    .summary("list training runs")
    .description(
      "Lists the runs that llm-ts train left in a folder, newest first, with their steps, losses and speed. " +
        "A run is running, done, interrupted (by Ctrl-C), or cut off: it ended without a record, by a crash for example.",
    )
    .argument("[folder]", "the folder with the runs, or that of one run", "runs")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      examples(
        ["the runs in runs/", "llm-ts runs"],
        ["the best of them", "llm-ts runs --json | jq 'map(select(.bestValLoss)) | min_by(.bestValLoss)'"],
      ),
    )
    .action(async (folder: string, flags: RunsFlags) => {
      const { listRuns } = await import("./run.ts");
      await listRuns(folder, flags);
    });
}
