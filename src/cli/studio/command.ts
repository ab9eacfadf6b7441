import type { Command } from "commander";
import { examples } from "../options/common.ts";
import { whole } from "../options/values.ts";

export interface StudioFlags {
  readonly port?: number;
  readonly host?: string;
  readonly open: boolean;
}

export function addStudio(program: Command): void {
  program
    .command("studio")
    .summary("train and watch runs in a web page")
    .description(
      "Serves the studio and opens it in the browser: runs as they are written, training in the page itself, and a " +
        "look inside a model. It only reads the folder with the runs, and only this machine can reach it. Ctrl-C ends it.",
    )
    .argument("[folder]", "the folder with the runs, or that of one run; it may come later", "runs")
    .option(
      "--port <n>",
      "the port to listen on; 0: any that is free (default: 6425, or the next that is free)",
      whole(0, 65535),
    )
    .option("--host <address>", "let other machines in, on this address; 0.0.0.0: on all. They need the printed token")
    .option("--no-open", "do not open the browser")
    .addHelpText(
      "after",
      `${examples(
        ["the runs in runs/, and training in the page", "llm-ts studio"],
        ["other runs, without the browser", "llm-ts studio experiments --no-open"],
        ["for the machines around this one", "llm-ts studio --host 0.0.0.0"],
        ["the studio that runs on another machine (with --port 6425)", "ssh -N -L 6425:127.0.0.1:6425 MACHINE"],
      )}
With --host, other machines come by plain http, where browsers give a page neither
threads nor storage: it shows runs, but to train in it use ssh, as above.
`,
    )
    .action(async (folder: string, flags: StudioFlags) => {
      const { runStudio } = await import("./run.ts");
      await runStudio(folder, flags);
    });
}
