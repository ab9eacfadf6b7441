/**
 * Chat templates: Jinja, as transformers' apply_chat_template renders it, in chat_template of a tokenizer_config.json. Rendered
 * by @huggingface/jinja.
 */
import { InputError, messageOf } from "../errors.ts";

export const roles = ["system", "user", "assistant"] as const;
export type Role = (typeof roles)[number];

/** A turn of a conversation. */
export interface Message {
  readonly role: Role;
  readonly content: string;
}

/**
 * ChatML, which llama.cpp and transformers.js know as well, behind the token between documents. Two special tokens mark turns, and
 * roles are words, so that it fits GPT-2's padded vocabulary.
 */
export const chatMl =
  "{{ bos_token }}{% for message in messages %}" +
  "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}" +
  "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

/** The names of special tokens that a template writes: `<|im_start|>` and the like. */
export function marksIn(template: string): string[] {
  return [...new Set(template.match(/<\|[\w-]+\|>/g))];
}

type Jinja = typeof import("@huggingface/jinja");
type Render = (context: Readonly<Record<string, unknown>>) => string;

export class ChatTemplate {
  readonly source: string;
  /** For messages. */
  readonly name: string;
  readonly #run: Render;

  private constructor(source: string, name: string, run: Render) {
    this.source = source;
    this.name = name;
    this.#run = run;
  }

  /** `name`: for messages. InputError, with the place, when it does not parse. */
  static async parse(source: string, name: string): Promise<ChatTemplate> {
    const jinja = await import("@huggingface/jinja");
    requireSyntax(jinja, source, name);
    const template = new jinja.Template(source);
    return new ChatTemplate(source, name, (context) => template.render({ ...context }));
  }

  /**
   * The text of a conversation; with `addGenerationPrompt`, up to where the assistant writes. `tokens`: bos_token and eos_token.
   * InputError when the template refuses it.
   */
  render(messages: readonly Message[], tokens: Readonly<Record<string, string>>, addGenerationPrompt: boolean): string {
    try {
      return this.#run({ ...tokens, messages, add_generation_prompt: addGenerationPrompt });
    } catch (error) {
      throw new InputError(
        `${this.name} refuses a conversation of ${messages.map(({ role }) => role).join(", ") || "no turns"}: ${messageOf(error)}`,
        { cause: error },
      );
    }
  }
}

const options = { lstrip_blocks: true, trim_blocks: true };

/** InputError with line and column of the tag in which a template stops making sense. */
function requireSyntax({ tokenize, parse }: Jinja, source: string, name: string): void {
  /** Tokens before each tag; undefined for a tag behind which the text cannot be cut into tokens. */
  const tags = [...source.matchAll(/\{[{%#]/g)].map(({ index }) => index);
  const tokensBefore = (position: number) => {
    try {
      return tokenize(source.slice(0, position), options).length;
    } catch {
      return undefined;
    }
  };
  let reached = 0;
  try {
    const tokens = tokenize(source, options);
    const watched = new Proxy(tokens, {
      get(target, key) {
        if (typeof key === "string" && /^\d+$/.test(key)) reached = Math.max(reached, Number(key));
        return Reflect.get(target, key);
      },
    });
    reached = 0;
    parse(watched);
  } catch (error) {
    const isCut = error instanceof TypeError;
    const before = tags.map(tokensBefore);
    const cut = before.indexOf(undefined);
    const known = cut < 0 ? tags : tags.slice(0, cut);
    const at = reached > 0 ? known.findLast((_, i) => (before[i] ?? 0) <= reached) : known.at(-1);
    const lines = source.slice(0, at ?? 0).split("\n");
    const reason = isCut ? "it ends inside a block" : messageOf(error);
    throw new InputError(
      `${name} is no Jinja template: ${reason}, in the tag at line ${lines.length}, column ${(lines.at(-1)?.length ?? 0) + 1}. ` +
        "Correct it, or leave the template out for ChatML.",
      { cause: error },
    );
  }
}
