import type { GPT2 } from "../../api/gpt2.ts";
import type { SampleOptions } from "../../api/options.ts";
import { UsageError } from "../../errors.ts";
import { commandIn, isEnd, takeLines, textIn } from "../line-loop.ts";
import { isSetting, parseSetting, type SettingName, sessionHelp, settings } from "../options/session-settings.ts";
import { print } from "../output.ts";
import { stream } from "./output.ts";

const commands = {
  continue: "continue the text; so does an empty line",
  retry: "write the last piece again, with the next seed",
  show: "the text so far, and the settings",
  clear: "begin a new text",
  help: "this",
  exit: "leave; so does Ctrl-D",
};

const before = "What you write is added to the text, and the model continues it.";
const after = "A line that begins with / and is text: begin it with //. Ctrl-C stops the piece under way.";

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

  /** Executes a line. False for /exit; UsageError for an unknown command or value. */
  async take(line: string, signal: AbortSignal): Promise<boolean> {
    const command = commandIn(line);
    if (command !== undefined) return this.#command(command, signal);
    await this.#write(textIn(line), signal);
    return true;
  }

  async #command(line: string, signal: AbortSignal): Promise<boolean> {
    const [name = "", ...values] = line.split(/\s+/);
    if (isSetting(name)) this.#set(name, values.join(" "));
    else if (name === "continue") await this.#write("", signal);
    else if (name === "retry") await this.#retry(signal);
    else if (name === "show") await this.#show();
    else if (name === "clear") this.#text = this.#before = "";
    else if (name === "help") await print(sessionHelp((process.stdout.columns || 80) - 1, before, commands, after));
    else if (!isEnd(name)) throw new UsageError(`There is no command /${name}. /help lists them.`);
    return !isEnd(name);
  }

  #set(name: SettingName, value: string): void {
    const parsed = parseSetting(name, value);
    if (name === "seed") this.#seed = parsed;
    else this.#options = { ...this.#options, [settings[name].key]: parsed };
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

/** `llm-ts generate --interactive`: reads lines until there are no more. */
export async function converse(model: GPT2, prompt: string, options: SampleOptions): Promise<void> {
  model.requireTokenizer();
  const session = new Session(model, options);
  if (process.stdin.isTTY) process.stderr.write("Write something, or /help.\n");
  await takeLines((line, signal) => session.take(line, signal), prompt === "" ? [] : [prompt]);
}
