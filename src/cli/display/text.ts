import type { WriteStream } from "node:tty";
import type { MemoryParts } from "../../model/memory.ts";
import { fittingIndex, textWidth } from "../../plot/text.ts";
import type { SampleEvent } from "../../train/events.ts";

/** 12345.6 as "12,346". */
export function grouped(n: number): string {
  return Math.round(n).toLocaleString("en-US");
}

/** 41234 as "41.2k", 1240000 as "1.24M": three digits at most. */
export function short(n: number): string {
  const [value, unit] = n >= 999_500 ? [n / 1e6, "M"] : n >= 1000 ? [n / 1000, "k"] : [n, ""];
  return value.toFixed(value >= 99.95 || unit === "" ? 0 : value >= 9.995 ? 1 : 2) + unit;
}

/** 548105171 as "548 MB", 1234 as "1.23 kB": three digits, powers of 1000. */
export function bytes(n: number): string {
  const [value, unit] = n >= 1e9 ? [n / 1e9, "GB"] : n >= 1e6 ? [n / 1e6, "MB"] : n >= 1e3 ? [n / 1e3, "kB"] : [n, "B"];
  return `${value.toFixed(value >= 100 || unit === "B" ? 0 : value >= 10 ? 1 : 2)} ${unit}`;
}

/**
 * "8.91 GB: weights 1.42 GB, gradients and moments 4.26 GB, activations 3.22 GB, samples 19 MB", and what of it is outside of
 * the memory in which the backend computes.
 */
export function memoryText({ total, weights, optimizer, activations, sampling, beyond }: MemoryParts): string {
  const parts = [
    `weights ${bytes(weights)}`,
    `gradients and moments ${bytes(optimizer)}`,
    `activations ${bytes(activations)}`,
  ];
  const outside = beyond > 0 ? `; ${bytes(beyond)} of it outside of the WebAssembly memory` : "";
  return `${bytes(total)}: ${[...parts, ...(sampling > 0 ? [`samples ${bytes(sampling)}`] : [])].join(", ")}${outside}`;
}

/** Milliseconds as "8 s", "1:05" or "2:03:09". */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const two = (n: number) => String(n).padStart(2, "0");
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}:${two(seconds % 60)}`;
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(seconds % 60)}`;
}

/** A generated text without control characters, which a terminal would obey; line feeds and tabs stay. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it is about
  return text.replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, "");
}

/** A generated text, printable; without a tokenizer its token ids, as in llm.c. */
export function sampleText({ text, tokens }: SampleEvent): string {
  const [, ...written] = tokens;
  return text === "" ? written.join(" ") : printable(text);
}

/**
 * Cuts lines to `width` columns of a terminal, at spaces or beside Chinese and the like; a word only where it is longer than
 * a line. Colours count nothing.
 */
export function wrap(text: string, width: number): string[] {
  return text.split("\n").flatMap((line) => {
    const lines: string[] = [];
    let rest = line.replaceAll("\t", "    ");
    while (textWidth(rest) > width) {
      const end = breakAt(rest, Math.max(1, fittingIndex(rest, width)));
      lines.push(rest.slice(0, end));
      rest = rest.slice(rest[end] === " " ? end + 1 : end);
    }
    return [...lines, rest];
  });
}

/** Between such characters a line may end; a mark is not left for the beginning of the next one. */
const ideograph = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}]$/u;

function breakAt(text: string, most: number): number {
  const space = text.lastIndexOf(" ", most);
  if (text[most] === " " || ideograph.test(text.slice(0, most))) return most;
  return text.slice(0, Math.max(0, space)).trim() === "" ? most : space;
}

/** Styles a piece of text, or leaves it as it is. */
type Style = (text: string) => string;

export interface Paint {
  readonly bold: Style;
  readonly dim: Style;
  readonly green: Style;
  readonly yellow: Style;
  readonly cyan: Style;
  readonly red: Style;
}

const style =
  (on: boolean, open: number, close: number): Style =>
  (text) =>
    on ? `\x1b[${open}m${text}\x1b[${close}m` : text;

/** Colours where the stream shows them: a terminal, and neither NO_COLOR nor a dumb terminal says otherwise. */
export function paintFor(stream: NodeJS.WriteStream | WriteStream): Paint {
  const on = stream.isTTY === true && stream.hasColors();
  return {
    bold: style(on, 1, 22),
    dim: style(on, 2, 22),
    green: style(on, 32, 39),
    yellow: style(on, 33, 39),
    cyan: style(on, 36, 39),
    red: style(on, 31, 39),
  };
}
