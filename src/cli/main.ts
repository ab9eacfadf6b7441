#!/usr/bin/env node
import { CommanderError } from "commander";
import { bareHeaderlessLast } from "./options/common.ts";
import { guardOutputs, print, reportError } from "./output.ts";
import { createProgram } from "./program.ts";

/** 0 done, 1 failed, 2 wrong usage, 129, 130 or 143 interrupted. */
async function run(args: readonly string[]): Promise<number> {
  const program = createProgram();
  try {
    if (args.length === 0) program.outputHelp();
    else await program.parseAsync(bareHeaderlessLast(args), { from: "user" });
    // An interrupted run sets its own.
    return Number(process.exitCode ?? 0);
  } catch (error) {
    // commander has printed it already.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    return reportError(error);
  }
}

guardOutputs();
const code = await run(process.argv.slice(2));
// Exit even though something may still be open, such as standard input after an error; but not before all is written.
await print("");
// Errors of the last writes arrive in this turn of the event loop.
setImmediate(() => process.exit(code));
