import { once } from "node:events";
import type { Command } from "commander";
import { InputError, UsageError } from "../../errors.ts";
import { examples } from "../options/common.ts";
import { whole } from "../options/values.ts";
import { print, reportError, say } from "../output.ts";

interface StudioFlags {
  readonly port?: number;
  readonly host?: string;
  readonly open: boolean;
}

const defaultPort = 6425;
const portsToTry = 20;

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
        ["for other machines of the network", "llm-ts studio --host 0.0.0.0"],
        ["the studio that runs on another machine (with --port 6425)", "ssh -N -L 6425:127.0.0.1:6425 MACHINE"],
      )}
With --host, other machines come by plain http, where browsers give a page neither
threads nor storage: it shows runs, but to train in it use ssh, as above.
`,
    )
    .action(studio);
}

/** Serves until Ctrl-C, which is how it ends, not what cuts it off: the exit code is 0. */
async function studio(folder: string, { port, host, open }: StudioFlags): Promise<void> {
  const ended = Promise.race(["SIGINT", "SIGTERM"].map((signal) => once(process, signal)));
  if (host === "") throw new UsageError("--host needs an address: 0.0.0.0, say, for all that this machine has.");
  const { platform } = await import("#platform");
  const { isNoFolder } = await import("../../platform/glob.ts");
  const { startStudio } = await import("../../serve/server.ts");
  const kind = await platform.pathKind(folder);
  if (isNoFolder(kind)) throw new InputError(`${folder} is a file, where a folder with runs is expected.`);
  const ports = port === undefined ? Array.from({ length: portsToTry }, (_, i) => defaultPort + i) : [port];
  const studio = await startStudio({ folder, ports, host, onError: reportError });
  await print(`${studio.url}\n`);
  say(`The studio shows the runs in ${folder}${kind ? "" : ", which is not there yet"}. Ctrl-C ends it.`);
  // Where others are let in, the address holds the token, which a list of processes would show to other users.
  if (open && !new URL(studio.url).search) await openBrowser(studio.url);
  await ended;
  await studio.close();
}

/** A machine without a browser is no failure: the address has been printed. */
async function openBrowser(url: string): Promise<void> {
  const { default: open } = await import("open");
  await open(url).catch(() => say("No browser could be opened. Open the address above."));
}
