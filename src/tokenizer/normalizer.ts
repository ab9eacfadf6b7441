/** Normalisation of a text by a tokenizer.json before it is split, as Hugging Face's tokenizers do it. */
import { type Json, recordOf } from "./tokenizer-json.ts";

export type Normalizer = (text: string) => string;

/** The normalizer of a tokenizer.json; `other` makes those that are not done here. */
export function normalizerOf(config: unknown, other: (config: Json) => Normalizer): Normalizer {
  const json = recordOf(config);
  switch (json.type) {
    case undefined:
      return (text) => text;
    case "Sequence": {
      const all = (Array.isArray(json.normalizers) ? json.normalizers : []).map((one) => normalizerOf(one, other));
      return (text) => all.reduce((done, normalize) => normalize(done), text);
    }
    case "NFC":
    case "NFD":
    case "NFKC":
    case "NFKD": {
      const form = json.type;
      return (text) => text.normalize(form);
    }
    case "Lowercase":
      return lowercase;
    case "StripAccents":
      return (text) => text.replace(/\p{Mn}/gu, "");
    case "Strip":
      return (text) => stripped(text, json.strip_left === true, json.strip_right === true);
    case "Prepend":
      return (text) => (text === "" ? "" : String(json.prepend) + text);
    default:
      return other(json);
  }
}

/** Character by character: a sigma at a word's end is one like any other. */
function lowercase(text: string): string {
  return Array.from(text, (character) => character.toLowerCase()).join("");
}

/** Without the white space of Unicode, which is not JavaScript's, at its ends. */
function stripped(text: string, left: boolean, right: boolean): string {
  const start = left ? text.search(/\P{White_Space}|$/u) : 0;
  const rest = text.slice(start);
  if (!right) return rest;
  let end = rest.length;
  while (end > 0 && /\p{White_Space}/u.test(rest[end - 1])) end--;
  return rest.slice(0, end);
}
