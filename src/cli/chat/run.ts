import { Chat, lacksTokenizer } from "../../api/chat.ts";
import { GPT2 } from "../../api/gpt2.ts";
import type { WeightType } from "../../backend/backend.ts";
import { InputError, UsageError } from "../../errors.ts";
import { ChatFormat } from "../../tokenizer/chat.ts";
import { paintFor, printable } from "../display/text.ts";
import { Interrupt } from "../interrupt.ts";
import { commandIn, isEnd, takeLines, textIn } from "../line-loop.ts";
import { type BackendFlags, backendOptions } from "../options/backend.ts";
import { chosenModel } from "../options/newest-model.ts";
import type { SamplingFlags } from "../options/sampling.ts";
import { isSetting, parseSetting, sessionHelp, settings } from "../options/session-settings.ts";
import { print, say } from "../output.ts";

/** The options of `llm-ts chat`. */
export interface ChatFlags extends BackendFlags, SamplingFlags {
  readonly model?: string;
  readonly system?: string;
  readonly tokens: number;
  readonly seed: number;
  readonly weights: WeightType;
  readonly adapter?: string;
}

const howToTrain =
  "llm-ts prepare --chat smalltalk --tokenizer bpe:512 -o data/smalltalk && llm-ts train --model baby -i data/smalltalk " +
  "-t 256 -b 8 -x 700 -o runs/";

/** Talks with a model until there are no more lines. */
export async function chat(argument: string | undefined, flags: ChatFlags): Promise<void> {
  if (argument !== undefined && flags.model !== undefined)
    throw new UsageError(`Both ${argument} and --model ${flags.model} name a model. Give one of them.`);
  const named = argument ?? flags.model;
  const interrupt = new Interrupt();
  const { path, adapter } = await chosenModel(named, flags.adapter, "an argument", howToTrain);
  const { weights, temperature, topK, topP, minP, repetitionPenalty, seed, tokens: maxTokens, system } = flags;
  const model = await GPT2.load(path, { ...backendOptions(flags), weights, adapter });
  try {
    const lacking = lacksTokenizer(model.tokenizer);
    if (lacking !== undefined) throw new InputError(`${path}: ${lacking}`);
    if (!(await ChatFormat.of(model.tokenizer)))
      throw new InputError(
        `${path} has no chat template: it has not learned conversations, and only continues texts (llm-ts generate --interactive). ` +
          `Train one that has: ${howToTrain}`,
      );
    const options = { temperature, topK, topP, minP, repetitionPenalty, seed, maxTokens, system };
    const session = new Session(await Chat.open(model, options));
    interrupt.dispose();
    if (process.stdin.isTTY) process.stderr.write("Write something, or /help.\n");
    await takeLines((line, signal) => session.take(line, signal));
  } finally {
    await model.dispose();
    interrupt.dispose();
  }
}

const commands = {
  reset: "begin a new conversation",
  retry: "answer the last message again",
  "system TEXT": "other instructions, and a new conversation; without a text: none",
  help: "this",
  exit: "leave; so does Ctrl-D",
};
const before = "What you write is a message, and the model answers it.";
const after = "A message that begins with /: begin it with //. Ctrl-C stops the answer under way.";

/** What lines do with a conversation. */
class Session {
  readonly #chat: Chat;
  #saidLeftOut = false;

  constructor(chat: Chat) {
    this.#chat = chat;
  }

  /** Executes a line. False for /exit; UsageError for an unknown command or value. */
  async take(line: string, signal: AbortSignal): Promise<boolean> {
    if (line.trim() === "") return true;
    const command = commandIn(line);
    if (command !== undefined) return this.#command(command, signal);
    await this.#answer(textIn(line), signal);
    return true;
  }

  async #command(line: string, signal: AbortSignal): Promise<boolean> {
    const [name = ""] = line.split(/\s+/);
    const value = line.slice(name.length).trim();
    if (isSetting(name)) this.#chat.set({ [settings[name].key]: parseSetting(name, value) });
    else if (name === "system") this.#chat.set({ system: value });
    else if (name === "reset") this.#reset();
    else if (name === "retry") await this.#retry(signal);
    else if (name === "help")
      await print(sessionHelp((process.stdout.columns || 80) - 1, before, commands, after, "answer"));
    else if (!isEnd(name))
      throw new UsageError(
        `There is no command /${name}. /help lists them; a message that begins with / begins with //.`,
      );
    return !isEnd(name);
  }

  #reset(): void {
    this.#chat.reset();
    this.#saidLeftOut = false;
  }

  async #retry(signal: AbortSignal): Promise<void> {
    const message = this.#chat.takeBack();
    if (message === undefined) throw new UsageError("There is no message yet to answer again.");
    await this.#answer(message, signal);
  }

  /** Writes the answer as it comes. */
  async #answer(message: string, signal: AbortSignal): Promise<void> {
    const { stdout, stderr } = process;
    const answer = this.#chat.send(message, signal);
    let next = await answer.next();
    while (!next.done) {
      await print(stdout.isTTY ? printable(next.value) : next.value);
      next = await answer.next();
    }
    const { text, reason, full, leftOut } = next.value;
    if (!text.endsWith("\n")) await print("\n");
    const { maxT } = this.#chat.model.config;
    if (leftOut > 0 && !this.#saidLeftOut) {
      say(
        `note: the conversation no longer fits the model's ${maxT} positions: its oldest turns are left out as long as they do not fit`,
      );
      this.#saidLeftOut = true;
    }
    const { maxTokens = 256 } = this.#chat.options;
    if (full) say(paintFor(stderr).dim(`(cut: the model's ${maxT} positions are full)`));
    else if (reason === "length")
      say(
        paintFor(stderr).dim(
          `(cut after ${maxTokens} token${maxTokens === 1 ? "" : "s"}; /tokens ${2 * maxTokens} allows longer answers)`,
        ),
      );
  }
}
