/** A conversation with a model, turn by turn. */
import { InputError, shown, UsageError } from "../errors.ts";
import { isObject } from "../format/json.ts";
import { Sampler } from "../generate/sampler.ts";
import type { FinishReason } from "../generate/samples.ts";
import { type OptionNames, requireOptions } from "../option-names.ts";
import { ChatFormat } from "../tokenizer/chat.ts";
import type { Message } from "../tokenizer/chat-template.ts";
import { requireText, type Tokenizer } from "../tokenizer/tokenizer.ts";
import { requireModel, requireSignal, requireWhole } from "./generation.ts";
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
  /** The oldest turns, left out of what this answer was given: the whole conversation does not fit the model's positions. */
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
  /** The last question, where it was interrupted before its answer began. */
  #unanswered: string | undefined;
  /** Answers so far: each has a seed of its own. */
  #answers = 0;

  private constructor(model: GPT2, format: ChatFormat, options: ChatOptions, turns: readonly Message[]) {
    this.model = model;
    this.#turns = [...turns];
    this.#format = format;
    this.#options = options;
  }

  /**
   * `turns`: a conversation to continue, a question and its answer each. UsageError for options and turns that are none, InputError
   * for turns with special tokens and a model without a chat template.
   */
  static async open(model: GPT2, options: ChatOptions = {}, turns: readonly Message[] = []): Promise<Chat> {
    requireOptions("Chat.open", options, chatOptions, { "GPT2.generate": generateOptions });
    requireModel(model);
    requireTurns(turns);
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
    for (const [i, { content }] of turns.entries()) chat.#requireText(content, `turns[${i}].content`);
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
    this.#unanswered = undefined;
  }

  /**
   * Takes the last question and its answer back, and gives the question; undefined where there is none. A question that was
   * interrupted before its answer began is the last one as well.
   */
  takeBack(): string | undefined {
    const unanswered = this.#unanswered;
    this.#unanswered = undefined;
    return unanswered ?? this.#turns.splice(-2)[0]?.content;
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
      stop: this.#format.marks,
    };
    this.#answers++;
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
      const isAnswered = written !== "" || reason !== "interrupted";
      this.#unanswered = isAnswered ? undefined : text;
      if (isAnswered) this.#turns.push({ role: "user", content: text }, { role: "assistant", content: written });
    }
    return { text: written, reason, full: reason === "length" && maxTokens > room, leftOut };
  }

  /** The prompt of the newest turns that fit, and how many older ones had to be left out for it. */
  #fitting(text: string): { readonly prompt: readonly number[]; readonly leftOut: number } {
    const { maxT } = this.model.config;
    const { system } = this.#options;
    const most = this.#longestPrompt(this.#options);
    const first = system ? [{ role: "system" as const, content: system }] : [];
    const promptFrom = (leftOut: number) =>
      this.#format.prompt([...first, ...this.#turns.slice(leftOut), { role: "user", content: text }]);
    let leftOut = this.#turns.length;
    let prompt = promptFrom(leftOut);
    if (prompt.length > most)
      throw new InputError(
        `The message${system ? " and the system prompt take" : " takes"} ${prompt.length} tokens, and of the model's ${maxT} ` +
          `positions ${most} are left beside an answer. Write less.`,
      );
    // From the newest turn back: a conversation may be much longer than what fits.
    while (leftOut > 0) {
      const longer = promptFrom(leftOut - 2);
      if (longer.length > most) break;
      [prompt, leftOut] = [longer, leftOut - 2];
    }
    return { prompt, leftOut };
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
    const { system, maxTokens = 256, signal, ...sampling } = options;
    requireWhole("maxTokens", maxTokens, 0);
    requireSignal(signal);
    // It checks its own options.
    new Sampler(sampling);
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

/** UsageError for turns that are no questions and answers in turn. */
function requireTurns(turns: readonly Message[]): void {
  if (!Array.isArray(turns)) throw new UsageError(`turns is ${shown(turns)}, expected an array of messages.`);
  for (const [i, turn] of turns.entries()) {
    if (!isObject(turn)) throw new UsageError(`turns[${i}] is ${shown(turn)}, expected a message: { role, content }.`);
    const role = i % 2 === 0 ? "user" : "assistant";
    if (turn.role === "system")
      throw new UsageError(
        `turns[${i}] is a system prompt. Leave it out of the turns, and give it as the option system.`,
      );
    if (turn.role !== role)
      throw new UsageError(
        `turns[${i}].role is ${shown(turn.role)}, expected "${role}": questions and answers take turns, a question first.`,
      );
    if (typeof turn.content !== "string")
      throw new UsageError(`turns[${i}].content is ${shown(turn.content)}, expected a text (a string).`);
  }
  if (turns.length % 2 === 1)
    throw new UsageError(
      `turns ends with a question (turns[${turns.length - 1}]) that has no answer. Leave it out, and send it.`,
    );
}
