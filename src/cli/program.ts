import { Command } from "commander";
import { UsageError } from "../errors.ts";
import { addBench } from "./bench/command.ts";
import { addChat } from "./chat/command.ts";
import { addConvert } from "./convert/command.ts";
import { addDebugState } from "./debug-state/command.ts";
import { addDecode } from "./decode/command.ts";
import { addEncode } from "./encode/command.ts";
import { addEval } from "./eval/command.ts";
import { addGenerate } from "./generate/command.ts";
import { addInfo } from "./info/command.ts";
import { addLearn } from "./learn/command.ts";
import { examples } from "./options/common.ts";
import { name as nameParser } from "./options/values.ts";
import { addPlot } from "./plot/command.ts";
import { addPrepare } from "./prepare/command.ts";
import { addPull } from "./pull/command.ts";
import { addRuns } from "./runs/command.ts";
import { addStudio } from "./studio/command.ts";
import { asStarted } from "./suggest.ts";
import { addTokenizer } from "./tokenizer/command.ts";
import { addTrace } from "./trace/command.ts";
import { addTrain } from "./train/command.ts";
import { addVerify } from "./verify/command.ts";
import { version } from "./version.ts";

// A command's file declares its options; what it runs on is imported when it runs, so that start-up stays quick.
const commands = [
  addPull,
  addConvert,
  addPrepare,
  addTokenizer,
  addTrain,
  addGenerate,
  addChat,
  addEval,
  addVerify,
  addDebugState,
  addTrace,
  addLearn,
  addEncode,
  addDecode,
  addInfo,
  addRuns,
  addPlot,
  addStudio,
  addBench,
];

/** The program with all its commands and their options. */
export function createProgram(): Command {
  const program = new Command("llm-ts")
    .description("Trains, fine-tunes and runs GPT-2 on this machine's processor.")
    .version(version, "--version", "print the version")
    .helpOption("-h, --help", "print help")
    .helpCommand(false)
    .exitOverride()
    .showSuggestionAfterError()
    .showHelpAfterError("llm-ts --help lists the commands.")
    .configureHelp({
      showGlobalOptions: false,
      // Before lines are broken: the name may be longer here.
      styleDescriptionText: asStarted,
      styleUsage: asStarted,
    })
    .configureOutput({
      writeErr: (text) => process.stderr.write(asStarted(text)),
    })
    .addHelpText("after", examples(["what a command does, its options and examples", "llm-ts encode --help"]));

  // Settings above are inherited by the commands added from here on.
  for (const add of commands) add(program);
  for (const command of program.commands) finish(command, command.name());
  addHelp(program);
  return program;
}

/** Settings of a command and of those below it, once they have their options. */
function finish(command: Command, name: string): void {
  refuseEmpty(command);
  command.showHelpAfterError(`llm-ts ${name} --help shows its options and examples.`);
  for (const below of command.commands) finish(below, `${name} ${below.name()}`);
}

/** An option or argument without a parser of its own takes a name or path. An empty one, such as that of an unset variable, is none. */
function refuseEmpty({ options, registeredArguments }: Command): void {
  for (const argument of registeredArguments.filter(({ parseArg }) => !parseArg))
    if (argument.variadic) argument.argParser(namesParser);
    else argument.argParser(nameParser);
  for (const option of options)
    if ((option.required || option.optional) && !option.variadic && !option.parseArg) option.argParser(nameParser);
}

const namesParser = (text: string, earlier: readonly string[] = []) => [...earlier, nameParser(text)];

/** Unlike commander's own, it refuses a command that does not exist. */
function addHelp(program: Command): void {
  program
    .command("help")
    .summary("print help for a command")
    .description("Prints help for a command, or the list of commands.")
    .argument("[command]", "its name")
    .action((name?: string) => {
      const found = name === undefined ? program : program.commands.find((command) => command.name() === name);
      if (!found) throw new UsageError(`There is no command "${name}". llm-ts --help lists the commands.`);
      found.outputHelp();
    });
}
