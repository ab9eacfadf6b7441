/** Conversations in .jsonl files, one a line: OpenAI's layout (`messages` of role and content), or ShareGPT's (`conversations` of from and value). */
import { InputError } from "../errors.ts";
import { isObject } from "../format/json.ts";
import { type Message, type Role, roles } from "../tokenizer/chat-template.ts";
import { wellFormed } from "./items.ts";
import type { Item } from "./jsonl.ts";

export interface Conversation {
  /** Location, for messages. */
  readonly name: string;
  readonly messages: readonly Message[];
  /** For each message, whether it is learned: the assistant's, but for those of `weight` 0. */
  readonly learned: readonly boolean[];
}

/** Names of roles in either layout. */
const roleNames: Readonly<Record<string, Role>> = {
  system: "system",
  developer: "system",
  user: "user",
  human: "user",
  assistant: "assistant",
  gpt: "assistant",
};

/** The conversation of a line. InputError says which message of which line is wrong. */
export function conversationIn(item: Item): Conversation {
  const { name, value } = item;
  const field = ["messages", "conversations"].find((one) => value[one] !== undefined);
  if (field === undefined)
    throw new InputError(
      `${name}: there is neither "messages" (a list of role and content, as OpenAI has it) nor "conversations" (from and value, as ` +
        `ShareGPT has it). Its fields are: ${Object.keys(value).slice(0, 12).join(", ") || "none"}.`,
    );
  const list = value[field];
  if (!Array.isArray(list) || list.length === 0)
    throw new InputError(`${name}: "${field}" is ${shown(list)}, expected a list of messages.`);
  const messages = list.map((entry, i) => messageOf(entry, `${name}: message ${i + 1}`));
  const later = messages.findIndex(({ role }, i) => i > 0 && role === "system");
  if (later > 0)
    throw new InputError(
      `${name}: message ${later + 1} is the system's, which only the first may be. Move it to the beginning, or leave it out.`,
    );
  if (!messages.some(({ role }) => role === "assistant"))
    throw new InputError(
      `${name}: no message is the assistant's, so there is nothing to learn. Leave this conversation out.`,
    );
  const learned = messages.map(
    ({ role }, i) => weightOf(list[i], `${name}: message ${i + 1}`) === 1 && role === "assistant",
  );
  return { name, messages, learned };
}

/** OpenAI's `weight`: 1, which is the default, or 0 for a message that is not learned. */
function weightOf(entry: unknown, what: string): 0 | 1 {
  const { weight = 1 } = isObject(entry) ? entry : {};
  if (weight === 0 || weight === 1) return weight;
  throw new InputError(
    `${what} has the weight ${shown(weight)}, expected 1 (it is learned) or 0 (it is not). Write one of them, or leave it out for 1.`,
  );
}

function messageOf(entry: unknown, what: string): Message {
  if (!isObject(entry)) throw new InputError(`${what} is ${shown(entry)}, expected an object with role and content.`);
  const { role: given = entry.from, content = entry.value } = entry;
  const role = typeof given === "string" && Object.hasOwn(roleNames, given) ? roleNames[given] : undefined;
  if (role === undefined)
    throw new InputError(
      `${what} has the role ${shown(given)}, expected ${roles.slice(0, -1).join(", ")} or ${roles.at(-1)} (of ShareGPT: system, human or gpt). ` +
        "Name it so, or leave this conversation out.",
    );
  const text = textOf(content);
  if (text === undefined)
    throw new InputError(
      `${what} (${role}) has the content ${shown(content)}, expected text. Leave this conversation out.`,
    );
  if (text.trim() === "") throw new InputError(`${what} (${role}) is empty. Give it text, or leave it out.`);
  return { role, content: wellFormed(text, what) };
}

/** A text, or OpenAI's list of parts, if all of them are text. */
function textOf(content: unknown): string | undefined {
  if (typeof content === "string") return content;
  if (!Array.isArray(content) || content.length === 0) return undefined;
  const parts = content.map((part) => (isObject(part) && part.type === "text" ? part.text : undefined));
  return parts.every((part) => typeof part === "string") ? parts.join("") : undefined;
}

const shown = (value: unknown) => (value === undefined ? "missing" : JSON.stringify(value).slice(0, 40));
