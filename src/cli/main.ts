#!/usr/bin/env node
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { addBench } from "./bench.ts";
import { addConvert } from "./convert.ts";
import { addDebugState } from "./debug-state.ts";
import { addDecode } from "./decode.ts";
import { addEncode } from "./encode.ts";
import { addEval } from "./eval.ts";
import { examples } from "./examples.ts";
import { addGenerate } from "./generate.ts";
import { addInfo } from "./info.ts";
import { endQuietlyOnClosedPipe, reportError } from "./output.ts";
import { addPlot } from "./plot.ts";
import { addPrepare } from "./prepare.ts";
import { addPull } from "./pull.ts";
import { addRuns } from "./runs.ts";
import { addStudio } from "./studio.ts";
import { addTrain } from "./train.ts";
import { addVerify } from "./verify.ts";

// A command's file declares its options; what it runs on is imported when it runs, so that start-up stays quick.
const commands = [
  addPull,
  addConvert,
  addPrepare,
  addTrain,
  addGenerate,
  addEval,
  addVerify,
  addDebugState,
  addEncode,
  addDecode,
  addInfo,
  addRuns,
  addPlot,
  addStudio,
  addBench,
];

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));

const program = new Command("llm-ts")
  .description("Trains, fine-tunes and runs GPT-2 on this machine's processor.")
  .version(version, "--version", "print the version")
  .helpOption("-h, --help", "print help")
  .helpCommand("help [command]", "print help for a command")
  .exitOverride()
  .showSuggestionAfterError()
  .showHelpAfterError("Run the command with --help for its options and examples.")
  .configureHelp({ showGlobalOptions: false })
  .addHelpText("after", examples(["what a command does, its options and examples", "llm-ts encode --help"]));

// Settings above are inherited by the commands added from here on.
for (const add of commands) add(program);

/** 0 done, 1 failed, 2 wrong usage, 130 or 143 interrupted. */
async function run(args: readonly string[]): Promise<number> {
  try {
    if (args.length === 0) program.outputHelp();
    else await program.parseAsync(args, { from: "user" });
    // An interrupted run sets its own.
    return Number(process.exitCode ?? 0);
  } catch (error) {
    // commander has told the user already.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    return reportError(error);
  }
}

endQuietlyOnClosedPipe();
const code = await run(process.argv.slice(2));
// Exit even though something may still be open, such as standard input after an error; but not before all is written.
process.stdout.write("", () => process.exit(code));
