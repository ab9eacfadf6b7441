/** Options as they were typed, apart from their defaults. */
import type { Command } from "commander";
import { UsageError } from "../../errors.ts";
import type { Facts } from "../../group/alike.ts";

/** The options that were typed, as `--shard-tokens`, by the names that flags have: `shardTokens`. */
export type Typed = ReadonlyMap<string, string>;

export function typedOptions(command: Command): Typed {
  const typed = command.options.filter((option) => command.getOptionValueSource(option.attributeName()) === "cli");
  return new Map(typed.map((option) => [option.attributeName(), option.long ?? option.flags]));
}

/** Options that each process of a group may have for itself. */
const own = ["threads", "mpi", "groupTimeout", "json", "out", "tensorboard"];

/** What the processes of a group are to have alike: command, arguments, and options that were typed. */
export function factsOf(command: Command): Facts {
  const typed = [...typedOptions(command)].filter(([name]) => !own.includes(name));
  const values = typed.map(([name, flag]) => [flag, command.getOptionValue(name)]);
  return { command: command.name(), arguments: command.args, ...Object.fromEntries(values) };
}

/** UsageError where some of the options `names` were typed; `why` they have no effect: a sentence. */
export function refuseIdle(typed: Typed, names: readonly string[], why: string, instead?: string): void {
  const idle = names.flatMap((name) => typed.get(name) ?? []);
  if (idle.length > 0) throw idleError(idle, why, instead);
}

/** The error for options without effect. `instead`: what would give them one, the beginning of a sentence. */
export function idleError(flags: readonly string[], why: string, instead?: string): UsageError {
  const way = instead === undefined ? "Leave" : `${instead}, or leave`;
  return new UsageError(`${idleText(flags, why)} ${way} ${flags.length === 1 ? "it" : "them"} out.`);
}

export function idleText(flags: readonly string[], why: string): string {
  return `${flags.join(", ")} ${flags.length === 1 ? "has" : "have"} no effect here: ${why}`;
}
