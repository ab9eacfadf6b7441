import { once } from "node:events";
import { platform } from "#platform";
import { InputError, UsageError } from "../../errors.ts";
import { isNoFolder } from "../../platform/glob.ts";
import { startStudio } from "../../serve/server.ts";
import { print, reportError, say } from "../output.ts";
import type { StudioFlags } from "./command.ts";

const defaultPort = 6425;
const portsToTry = 20;

/** What `llm-ts studio` does. Ctrl-C is how it ends, not what cuts it off: the exit code is 0. */
export async function runStudio(folder: string, { port, host, open }: StudioFlags): Promise<void> {
  const ended = Promise.race(["SIGINT", "SIGTERM"].map((signal) => once(process, signal)));
  if (host === "") throw new UsageError("--host needs an address: 0.0.0.0, say, for all that this machine has.");
  const kind = await platform.pathKind(folder);
  if (isNoFolder(kind)) throw new InputError(`${folder} is a file, where a folder with runs is expected.`);
  const ports = port === undefined ? Array.from({ length: portsToTry }, (_, i) => defaultPort + i) : [port];
  const studio = await startStudio({ folder, ports, host, onError: reportError });
  await print(`${studio.url}\n`);
  say(`The studio shows the runs in ${folder}${kind ? "" : ", which is not there yet"}. Ctrl-C ends it.`);
  // Where others are let in, the address holds the token, which is not for everybody who can list processes.
  if (open && !new URL(studio.url).search) await openBrowser(studio.url);
  await ended;
  await studio.close();
}

/** A machine without a browser is no failure: the address has been printed. */
async function openBrowser(url: string): Promise<void> {
  const { default: open } = await import("open");
  await open(url).catch(() => say("No browser could be opened. Open the address above."));
}
