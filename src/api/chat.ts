/** A conversation with a model, turn by turn. */
import { InputError, shown, UsageError } from "../errors.ts";
import type { FinishReason } from "../generate/samples.ts";
import { type OptionNames, requireOptions } from "../option-names.ts";
import { ChatFormat } from "../tokenizer/chat.ts";
import type { Message } from "../tokenizer/chat-template.ts";
import { requireText, type Tokenizer } from "../tokenizer/tokenizer.ts";
import { requireModel, requireWhole } from "./generation.ts";
import type { GPT2 } from "./gpt2.ts";
import { type GenerateOptions, generateOptions } from "./options.ts";

export interface ChatOptions extends Omit<GenerateOptions, "stop" | "pastEnd" | "llmc"> {
  /** Instructions before the first turn. */
  readonly system?: string;
}

const { stop: _stop, pastEnd: _pastEnd, llmc: _llmc, ...ofAnswers } = generateOptions;
const chatOptions: OptionNames<ChatOptions> = { ...ofAnswers, system: true };

/** The end of an answer. */
export interface Answer {
  readonly text: string;
  /** `length`: it was cut, by maxTokens or by the model's positions. */
  readonly reason: FinishReason;
  /** True if it was cut since the model's positions are full, false for maxTokens and every other end. */
  readonly full: boolean;
  /** Turns that were left out, since the whole conversation does not fit the model's positions; of this answer alone. */
  readonly leftOut: number;
}

/**
 * What a model's files lack to tell whether it has learned conversations; undefined where nothing is missing. A model file that
 * was copied alone has left its tokenizer behind.
 */
export function lacksTokenizer(tokenizer: Tokenizer | undefined): string | undefined {
  if (!tokenizer)
    return (
      "No tokenizer lies beside this model: to chat, tokenizer.json and tokenizer_config.json are needed. Copy them from the folder " +
      "of the run that the model comes from."
    );
  if (!tokenizer.files?.has("tokenizer.json") || tokenizer.files.has("tokenizer_config.json")) return undefined;
  return (
    "tokenizer_config.json, which holds the chat template, is missing beside this model's tokenizer.json. Copy it from the folder of " +
    "the run that the model comes from, or train the model on conversations if it has learned none."
  );
}

/** The least part of a model's positions that is kept for an answer. */
const answerShare = 1 / 4;

/**
 * A conversation with a model that was trained on conversations.
 *
 *     const chat = await Chat.open(model, { system: "Be brief." });
 *     for await (const piece of chat.send("Hello.")) process.stdout.write(piece);
 *
 * Where it grows longer than the model's positions, whole turns are left out, the oldest first; the system prompt stays.
 */
export class Chat {
  readonly model: GPT2;
  readonly #format: ChatFormat;
  #options: ChatOptions;
  #turns: Message[] = [];
  /** Turns at the beginning that no longer fit. */
  #leftOut = 0;
  /** Answers so far: each has a seed of its own. */
  #answers = 0;

  private constructor(model: GPT2, format: ChatFormat, options: ChatOptions, turns: readonly Message[]) {
    this.model = model;
    this.#turns = [...turns];
    this.#format = format;
    this.#options = options;
  }

  /** `turns`: a conversation to continue, a question and its answer each. InputError for a model without a chat template. */
  static async open(model: GPT2, options: ChatOptions = {}, turns: readonly Message[] = []): Promise<Chat> {
    requireOptions("Chat.open", options, chatOptions, { "GPT2.generate": generateOptions });
    requireModel(model);
    if (!Array.isArray(turns)) throw new UsageError(`turns is ${shown(turns)}, expected an array of messages.`);
    const format = await ChatFormat.of(model.tokenizer);
    if (!format)
      throw new InputError(
        lacksTokenizer(model.tokenizer) ??
          "This model has no chat template: it was not trained on conversations, and only continues texts.",
      );
    if (format.turnEnd >= model.config.V)
      throw new InputError(
        `The chat template's special tokens are beyond the model's vocabulary of ${model.config.V}: it was not trained on ` +
          "conversations. Train it on some that llm-ts prepare --chat wrote.",
      );
    const chat = new Chat(model, format, options, turns);
    chat.#check(options);
    return chat;
  }

  /** The conversation so far, the system prompt included. */
  get messages(): readonly Message[] {
    const { system } = this.#options;
    return [...(system ? [{ role: "system" as const, content: system }] : []), ...this.#turns];
  }

  get options(): ChatOptions {
    return this.#options;
  }

  /** Changes what later answers are made with; another system prompt begins a new conversation. */
  set(options: ChatOptions): void {
    requireOptions("Chat.set", options, chatOptions, { "GPT2.generate": generateOptions });
    const changed = { ...this.#options, ...options };
    this.#check(changed);
    if (options.system !== undefined && options.system !== this.#options.system) this.reset();
    this.#options = changed;
  }

  /** Forgets the conversation, but for the system prompt. */
  reset(): void {
    this.#turns = [];
    this.#leftOut = 0;
  }

  /** Takes the last answer back, and gives what it answered; undefined where there is none. */
  takeBack(): string | undefined {
    const [question] = this.#turns.splice(-2);
    return question?.content;
  }

  /**
   * The answer to a text, piece by piece; at its end, what it was. Leaving the loop early, or `signal`, ends it: what was
   * written by then stays in the conversation. InputError for a text with special tokens, or too long for the model.
   */
  async *send(
    text: string,
    signal: AbortSignal | undefined = this.#options.signal,
  ): AsyncGenerator<string, Answer, undefined> {
    requireText("The message", text);
    if (text.trim() === "") throw new UsageError("The message is empty. Write something.");
    this.#requireText(text, "The message");
    const { prompt, leftOut } = this.#fitting(text);
    const { maxTokens = 256, seed = 1337, system: _, ...sampling } = this.#options;
    const room = this.model.config.maxT - prompt.length;
    const options = {
      ...sampling,
      signal,
      seed: typeof seed === "bigint" ? seed + BigInt(this.#answers) : seed + this.#answers,
      maxTokens: Math.min(maxTokens, room),
      stop: this.#format.tokenizer.decode([this.#format.turnEnd]),
    };
    this.#answers++;
    this.#leftOut += leftOut;
    let written = "";
    let reason: FinishReason = "interrupted";
    try {
      for await (const event of this.model.generateSamples(prompt, options)) {
        if (event.type === "end") reason = event.reason;
        written += event.text;
        if (event.text !== "") yield event.text;
      }
    } finally {
      // An answer of nothing that was interrupted was none.
      if (written !== "" || reason !== "interrupted")
        this.#turns.push({ role: "user", content: text }, { role: "assistant", content: written });
    }
    return { text: written, reason, full: reason === "length" && maxTokens > room, leftOut };
  }

  /** The prompt of the newest turns that fit, and how many older ones had to be left out for it. */
  #fitting(text: string): { readonly prompt: readonly number[]; readonly leftOut: number } {
    const { maxT } = this.model.config;
    const { system } = this.#options;
    const most = this.#longestPrompt(this.#options);
    const first = system ? [{ role: "system" as const, content: system }] : [];
    for (let leftOut = 0; ; leftOut += 2) {
      const turns = this.#turns.slice(this.#leftOut + leftOut);
      const prompt = this.#format.prompt([...first, ...turns, { role: "user", content: text }]);
      if (prompt.length <= most) return { prompt, leftOut };
      if (turns.length === 0)
        throw new InputError(
          `The message${system ? " and the system prompt take" : " takes"} ${prompt.length} tokens, and of the model's ${maxT} ` +
            `positions ${most} are left beside an answer. Write less.`,
        );
    }
  }

  /** Tokens of a prompt at most, so that there is room for an answer. */
  #longestPrompt({ maxTokens = 256 }: ChatOptions): number {
    const { maxT } = this.model.config;
    return maxT - Math.min(maxTokens, Math.floor(maxT * answerShare));
  }

  /**
   * UsageError for options that are none, InputError for a system prompt with special tokens, that the template refuses, or that
   * leaves no room for a message.
   */
  #check(options: ChatOptions): void {
    const { system, maxTokens = 256 } = options;
    requireWhole("maxTokens", maxTokens, 0);
    if (system === undefined || system === "") return;
    requireText("system", system);
    this.#requireText(system, "The system prompt");
    const shortest: readonly Message[] = [
      { role: "system", content: system },
      { role: "user", content: "a" },
    ];
    const { length } = this.#format.prompt(shortest);
    const most = this.#longestPrompt(options);
    if (length > most)
      throw new InputError(
        `The system prompt takes ${length} tokens with the shortest message, and of the model's ${this.model.config.maxT} positions ` +
          `${most} are left beside an answer. Shorten it.`,
      );
  }

  #requireText(text: string, what: string): void {
    const mark = this.#format.markIn(text);
    if (mark !== undefined)
      throw new InputError(`${what} holds ${mark}, a special token, which would end or begin a turn. Leave it out.`);
  }
}
