import { createInterface } from "node:readline";
import type { GPT2 } from "../../api/gpt2.ts";
import type { SampleOptions } from "../../api/options.ts";
import { LlmError } from "../../errors.ts";
import { Session } from "./session.ts";

/**
 * What `llm-ts generate --interactive` does: lines are read until there are no more. Ctrl-C stops the piece under way;
 * where none is, or a second time, it ends the conversation.
 */
export async function converse(model: GPT2, prompt: string, options: SampleOptions): Promise<void> {
  const { stdin, stdout, stderr } = process;
  model.requireTokenizer();
  const session = new Session(model, options);
  const lines = createInterface({ input: stdin, output: stdin.isTTY ? stdout : undefined, prompt: "> " });
  const waiting: string[] = prompt === "" ? [] : [prompt];
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

  stderr.write("Write something, or /help.\n");
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
      if (!(await answered(session, line, underWay.signal))) return;
      underWay = undefined;
    }
  } finally {
    process.off("SIGINT", interrupt);
    lines.close();
  }
}

/** Does what a line says; what cannot be is told, and the conversation goes on. False when it is over. */
async function answered(session: Session, line: string, signal: AbortSignal): Promise<boolean> {
  try {
    return await session.take(line, signal);
  } catch (error) {
    if (!(error instanceof LlmError)) throw error;
    process.stderr.write(`error: ${error.message}\n`);
    return true;
  }
}
