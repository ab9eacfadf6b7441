/** Conversations in a tokenizer's tokens, by the chat template in its files. */
import { InputError } from "../errors.ts";
import { ChatTemplate, chatMl, type Message, marksIn } from "./chat-template.ts";
import { huggingFaceTokenizer } from "./huggingface.ts";
import { gpt2HuggingFaceFiles } from "./huggingface-files.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { addedTokensOf, chatTemplateIn, type Json, recordOf } from "./tokenizer-json.ts";

/** A conversation in tokens, and which of them a model learns to write. */
export interface EncodedConversation {
  readonly tokens: readonly number[];
  /** 1 for the assistant's contents, and the token that ends each of its turns; else 0. */
  readonly mask: Uint8Array;
}

const configFile = "tokenizer_config.json";

export class ChatFormat {
  readonly tokenizer: Tokenizer;
  readonly template: ChatTemplate;
  /** The token that ends a turn. */
  readonly turnEnd: number;
  /** Special tokens, which no content may hold. */
  readonly marks: readonly string[];
  readonly #names: Readonly<Record<string, string>>;

  private constructor(tokenizer: Tokenizer, template: ChatTemplate, turnEnd: number) {
    this.tokenizer = tokenizer;
    this.template = template;
    this.turnEnd = turnEnd;
    this.#names = namesIn(tokenizer);
    this.marks = [...new Set([turnEnd, ...(tokenizer.specialIds ?? [])])].map((id) => tokenizer.decode([id]));
  }

  /**
   * The format that a tokenizer's files have; undefined where there is no chat template. InputError when it cannot be used.
   * `name`: of the template, for messages.
   */
  static async of(
    tokenizer: Tokenizer | undefined,
    name = `The chat template in ${configFile}`,
  ): Promise<ChatFormat | undefined> {
    const source = tokenizer?.files && chatTemplateIn(tokenizer.files);
    if (!tokenizer || source === undefined) return undefined;
    const template = await ChatTemplate.parse(source, name);
    if (tokenizer.turnEnd !== undefined) return new ChatFormat(tokenizer, template, tokenizer.turnEnd);
    throw new InputError(
      `The tokenizer has a chat template and no eos_token in ${configFile}, so nothing ends an answer. Name the token there.`,
    );
  }

  /** The tokens up to where the assistant writes. */
  prompt(messages: readonly Message[]): number[] {
    return this.tokenizer.encode(this.template.render(messages, this.#names, true));
  }

  /**
   * A conversation as it is learned. Each of the assistant's turns is encoded apart from what is before it, as when it is
   * generated. InputError for a template that does not write a conversation turn by turn; `learns`: whether message i is learned.
   */
  encode(messages: readonly Message[], learns: (i: number) => boolean = () => true): EncodedConversation {
    const tokens: number[] = [];
    const masks: number[] = [];
    let done = "";
    const add = (end: string, counts: boolean) => {
      if (!end.startsWith(done))
        throw new InputError(
          `${this.template.name} changes earlier turns when a conversation continues, so that no answer can be learned in its place. ` +
            "Use another template.",
        );
      const ids = this.tokenizer.encode(end.slice(done.length));
      for (const id of ids) {
        tokens.push(id);
        masks.push(Number(counts));
      }
      done = end;
    };
    for (const [i, { role }] of messages.entries()) {
      if (role !== "assistant") continue;
      add(this.template.render(messages.slice(0, i), this.#names, true), false);
      const turn = this.template.render(messages.slice(0, i + 1), this.#names, false);
      this.#requireBeginning(turn, messages.slice(0, i), done);
      const mark = this.tokenizer.decode([this.turnEnd]);
      const end = turn.lastIndexOf(mark);
      add(end < done.length ? turn : turn.slice(0, end + mark.length), learns(i));
    }
    add(this.template.render(messages, this.#names, false), false);
    return { tokens, mask: Uint8Array.from(masks) };
  }

  /** InputError where an answer, the last turn of `turn`, does not begin as the prompt for it ends. */
  #requireBeginning(turn: string, earlier: readonly Message[], prompt: string): void {
    const { length } = this.template.render(earlier, this.#names, false);
    if (turn.startsWith(prompt) || !turn.startsWith(prompt.slice(0, length))) return;
    const shown = (text: string) => JSON.stringify(text.slice(length, length + 40));
    throw new InputError(
      `${this.template.name} begins an assistant's turn with ${shown(turn)}, and with add_generation_prompt it writes ${shown(prompt)}, so ` +
        "that no answer can be learned in its place. Let both be the same.",
    );
  }

  /** The special token that a content holds; undefined where there is none. */
  markIn(content: string): string | undefined {
    return this.marks.find((name) => content.includes(name));
  }
}

/** bos_token and the like: names that a template may use. */
function namesIn({ files }: Tokenizer): Record<string, string> {
  const settings = recordOf(JSON.parse(files?.get(configFile) ?? "{}"));
  const names: Record<string, string> = {};
  for (const [field, value] of Object.entries(settings)) {
    const name = typeof value === "string" ? value : recordOf(value).content;
    if (/_token$/.test(field) && typeof name === "string") names[field] = name;
  }
  return names;
}

/**
 * A tokenizer with a chat template, ChatML by default. Special tokens that the template names (`<|im_start|>`) and the vocabulary
 * lacks come behind it. InputError for a tokenizer without special tokens (characters, bytes), and for a template whose answers
 * end with none. `name`: of the template, for messages.
 */
export async function withChat(tokenizer: Tokenizer, template: string = chatMl, name = "ChatML"): Promise<Tokenizer> {
  const own = tokenizer.kind === "gpt2" ? new Map(Object.entries(await gpt2HuggingFaceFiles(1024))) : tokenizer.files;
  const text = own?.get("tokenizer.json");
  if (!own || text === undefined)
    throw new InputError(
      `The ${tokenizer.kind} tokenizer has no special tokens, which mark the turns of a conversation. Prepare with one ` +
        "of your own (llm-ts prepare --chat FILE --tokenizer bpe:4096), or gpt2.",
    );
  const json = recordOf(JSON.parse(text));
  const added = addedTokensOf(json);
  const missing = marksIn(template).filter((mark) => !added.some(({ content }) => content === mark));
  const further = missing.map((content, i) => ({
    id: tokenizer.vocabSize + i,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  }));
  const list: readonly unknown[] = Array.isArray(json.added_tokens) ? json.added_tokens : [];
  const end = tokenizer.endOfText === undefined ? undefined : tokenizer.decode([tokenizer.endOfText]);
  const border = end === undefined ? {} : { bos_token: end };
  const marks = [...added, ...further].map(({ content }) => content);
  const settings = {
    ...recordOf(JSON.parse(own.get(configFile) ?? "{}")),
    ...border,
    // In a template that names no token of its own for it, eos_token is the end of a text.
    eos_token: await turnEndOf(template, name, { ...border, ...(end !== undefined && { eos_token: end }) }, marks),
    chat_template: template,
  };
  const files = new Map(own);
  files.set("tokenizer.json", JSON.stringify({ ...json, added_tokens: [...list, ...further] }));
  files.set(configFile, `${JSON.stringify(settings, null, 2)}\n`);
  files.delete("chat_template.jinja");
  const found = await huggingFaceTokenizer(files);
  if (found) return found;
  throw new Error("the files of a tokenizer hold one");
}

/** The special token that ends an answer. */
async function turnEndOf(source: string, name: string, tokens: Json, marks: readonly string[]): Promise<string> {
  const template = await ChatTemplate.parse(source, name);
  const content = "0123456789";
  const messages: readonly Message[] = [
    { role: "user", content: "a" },
    { role: "assistant", content },
  ];
  const text = template.render(messages, tokens as Record<string, string>, false);
  const answer = text.slice(text.lastIndexOf(content) + content.length);
  const ends = marks.filter((mark) => answer.includes(mark));
  const [end] = ends.sort((a, b) => answer.indexOf(a) - answer.indexOf(b));
  if (end !== undefined) return end;
  throw new InputError(
    `${name} ends an assistant's turn with no special token, so a model could not end one. Put one behind the content, such as ` +
      "<|im_end|>.",
  );
}
