import { createInterface } from "node:readline";
import { InvalidArgumentError } from "commander";
import type { GPT2 } from "../../api/gpt2.ts";
import type { SampleOptions } from "../../api/options.ts";
import { LlmError, UsageError } from "../../errors.ts";
import { wrap } from "../display/text.ts";
import { real, whole } from "../options/values.ts";
import { print } from "../output.ts";
import { stream } from "./output.ts";

const settings = {
  temperature: {
    key: "temperature",
    parse: real(0),
    help: "0: always the most probable token; <1 sharpens, >1 flattens the distribution",
  },
  "top-k": { key: "topK", parse: whole(0), help: "choose among the k most probable; 0: all" },
  "top-p": { key: "topP", parse: real(0, 1), help: "choose among the most probable that together reach this" },
  "min-p": { key: "minP", parse: real(0, 1), help: "leave out what is below this share of the most probable" },
  "repetition-penalty": { key: "repetitionPenalty", parse: real(0.001, 1000), help: "above 1: repeat less" },
  tokens: { key: "maxTokens", parse: whole(0), help: "how long a piece is" },
  seed: { key: "seed", parse: whole(0), help: "of the next piece; each takes the next seed" },
} as const;

type SettingName = keyof typeof settings;

const isSetting = (name: string): name is SettingName => Object.hasOwn(settings, name);

const commands = {
  continue: "continue the text; so does an empty line",
  retry: "write the last piece again, with the next seed",
  show: "the text so far, and the settings",
  clear: "begin a new text",
  help: "this",
  quit: "leave; so does Ctrl-D",
};

const nameWidth = 29;

/** For a terminal of so many columns. */
function help(columns: number): string {
  const line = ([name, text]: readonly [string, string]) =>
    wrap(text, Math.max(20, columns - nameWidth))
      .map((part, at) => (at === 0 ? `  /${name}` : "").padEnd(nameWidth) + part)
      .join("\n");
  const changes = Object.entries(settings).map(([name, { help }]) => [`${name} VALUE`, help] as const);
  const lines = [
    ...wrap("What you write is added to the text, and the model continues it.", columns),
    ...[...Object.entries(commands), ...changes].map(line),
    ...wrap("A line that begins with / and is text: begin it with //. Ctrl-C stops the piece under way.", columns),
  ];
  return `${lines.join("\n")}\n`;
}

/** A text that a person and a model write in turns. */
export class Session {
  readonly #model: GPT2;
  #options: SampleOptions;
  #seed: number;
  #text = "";
  /** The text before the last piece that the model wrote. */
  #before = "";

  constructor(model: GPT2, options: SampleOptions) {
    this.#model = model;
    this.#options = options;
    this.#seed = Number(options.seed ?? 1337);
  }

  /** Executes a line. False for /quit; UsageError for an unknown command or value. */
  async take(line: string, signal: AbortSignal): Promise<boolean> {
    if (line === "") await this.#write("", signal);
    else if (line.startsWith("/") && !line.startsWith("//")) return this.#command(line.slice(1).trim(), signal);
    else await this.#write(line.startsWith("//") ? line.slice(1) : line, signal);
    return true;
  }

  async #command(line: string, signal: AbortSignal): Promise<boolean> {
    const [name = "", ...values] = line.split(/\s+/);
    if (isSetting(name)) this.#set(name, values.join(" "));
    else if (name === "continue") await this.#write("", signal);
    else if (name === "retry") await this.#retry(signal);
    else if (name === "show") await this.#show();
    else if (name === "clear") this.#text = this.#before = "";
    else if (name === "help") await print(help((process.stdout.columns || 80) - 1));
    else if (name !== "quit") throw new UsageError(`There is no command /${name}. /help lists them.`);
    return name !== "quit";
  }

  #set(name: SettingName, value: string): void {
    const { key, parse } = settings[name];
    try {
      const parsed = parse(value);
      if (key === "seed") this.#seed = parsed;
      else this.#options = { ...this.#options, [key]: parsed };
    } catch (error) {
      if (error instanceof InvalidArgumentError) throw new UsageError(`/${name} ${value}: ${error.message}`);
      throw error;
    }
  }

  async #retry(signal: AbortSignal): Promise<void> {
    this.#text = this.#before;
    await this.#write("", signal);
  }

  async #show(): Promise<void> {
    const values = Object.entries(settings).map(([name, { key }]) => {
      const value = key === "seed" ? this.#seed : this.#options[key];
      return `${name} ${value}`;
    });
    await print(`${this.#text}\n--- ${values.join(", ")}\n`);
  }

  /** Adds a line of one's own, on a line of its own, then the model's continuation. */
  async #write(line: string, signal: AbortSignal): Promise<void> {
    const apart = line !== "" && this.#text !== "" && !this.#text.endsWith("\n") ? "\n" : "";
    const text = this.#text + apart + line;
    const tokens = text === "" ? [] : this.#model.requireTokenizer().encode(text, { prompt: true });
    this.#before = text;
    const written = await stream(this.#model, { text: line, tokens }, { ...this.#options, seed: this.#seed, signal });
    this.#seed = this.#seed === Number.MAX_SAFE_INTEGER ? 0 : this.#seed + 1;
    this.#text = text + written.text;
  }
}

/**
 * `llm-ts generate --interactive`: reads lines until there are no more. Ctrl-C stops the piece under way;
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

/** Executes a line; reports its error, and keeps the conversation. False when it is over. */
async function answered(session: Session, line: string, signal: AbortSignal): Promise<boolean> {
  try {
    return await session.take(line, signal);
  } catch (error) {
    if (!(error instanceof LlmError)) throw error;
    process.stderr.write(`error: ${error.message}\n`);
    return true;
  }
}
