/** A dialogue of lines: a person's, from a terminal or a pipe, and what the program does with each. */
import { createInterface } from "node:readline";
import { LlmError } from "../errors.ts";
import { say } from "./output.ts";

/**
 * Executes a line; false when the dialogue is over. An LlmError is reported, and the dialogue continues; from a pipe, the command
 * has then failed at its end.
 */
export type TakeLine = (line: string, signal: AbortSignal) => Promise<boolean>;

/** What a line says behind a "/", spaces before it or not; undefined for a text, also one that "//" begins. */
export function commandIn(line: string): string | undefined {
  return /^\s*\/(?!\/)(.*)$/s.exec(line)?.[1].trim();
}

/** The text of a line that is no command: "//" is a "/" at its beginning. */
export function textIn(line: string): string {
  return line.replace(/^(\s*)\/\//, "$1/");
}

/** Commands that end a dialogue, whichever of them its help names. */
export const isEnd = (command: string) => command === "exit" || command === "quit";

/**
 * Reads lines until there are no more, beginning with `first`. Ctrl-C stops what a line is doing; where nothing is, or a second
 * time, it ends the dialogue.
 */
export async function takeLines(take: TakeLine, first: readonly string[] = []): Promise<void> {
  const { stdin, stdout } = process;
  const lines = createInterface({ input: stdin, output: stdin.isTTY ? stdout : undefined, prompt: "> " });
  const waiting: string[] = [...first];
  let closed = false;
  let wake = () => {};
  let underWay: AbortController | undefined;

  const interrupt = () => {
    if (underWay && !underWay.signal.aborted) underWay.abort();
    else {
      process.exitCode = 130;
      waiting.length = 0;
      lines.close();
    }
  };
  lines.on("line", (line) => {
    waiting.push(line);
    wake();
  });
  lines.on("close", () => {
    closed = true;
    wake();
  });
  lines.on("SIGINT", interrupt);
  process.on("SIGINT", interrupt);

  try {
    for (;;) {
      const line = waiting.shift();
      if (line === undefined && closed) return;
      if (line === undefined) {
        if (stdin.isTTY) lines.prompt();
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        continue;
      }
      underWay = new AbortController();
      if (!(await taken(take, line, underWay.signal))) return;
      underWay = undefined;
    }
  } finally {
    process.off("SIGINT", interrupt);
    lines.close();
  }
}

async function taken(take: TakeLine, line: string, signal: AbortSignal): Promise<boolean> {
  try {
    return await take(line, signal);
  } catch (error) {
    if (!(error instanceof LlmError)) throw error;
    say(`error: ${error.message}`);
    if (!process.stdin.isTTY) process.exitCode ??= 1;
    return true;
  }
}
