import { seedOf } from "../../api/generation.ts";
import type { GPT2 } from "../../api/gpt2.ts";
import type { SampleOptions } from "../../api/options.ts";
import type { TokenLogprob } from "../../generate/logprobs.ts";
import type { FinishReason, GenerateEvent, TokenEvent } from "../../generate/samples.ts";
import { paintFor, printable, short } from "../display/text.ts";
import { print } from "../output.ts";

export interface Prompt {
  readonly text: string;
  readonly tokens: readonly number[];
}

/** Totals of the samples written. */
interface Written {
  readonly tokens: number;
  /** Samples that the signal ended, or kept from beginning, are not among these. */
  readonly wholeSamples: number;
}

/** One sample streams; several follow each other, each below a line of its own. */
export async function printText(model: GPT2, prompt: Prompt, options: SampleOptions): Promise<Written> {
  const { stdout, stderr } = process;
  const start = performance.now();
  const written = await (options.samples === 1 ? stream : printSeveral)(model, prompt, options);
  const speed = short((1000 * written.tokens) / (performance.now() - start));
  if (stderr.isTTY && stdout.isTTY) stderr.write(paintFor(stderr).dim(`${written.tokens} tokens, ${speed} a second\n`));
  return written;
}

/** Writes the prompt and what follows, as it comes. Gives what was new. */
export async function stream(
  model: GPT2,
  prompt: Prompt,
  options: SampleOptions,
): Promise<Written & { readonly text: string }> {
  await print(paintFor(process.stdout).bold(shown(prompt.text)));
  let text = "";
  let [tokens, wholeSamples] = [0, 0];
  for await (const event of model.generateSamples(prompt.tokens, options)) {
    if (event.type === "token") tokens++;
    else if (event.reason !== "interrupted") wholeSamples++;
    const piece = textOf(model, event);
    text += piece;
    if (piece !== "") await print(shown(piece));
  }
  if (!(prompt.text + text).endsWith("\n")) await print("\n");
  return { text, tokens, wholeSamples };
}

async function printSeveral(model: GPT2, prompt: Prompt, options: SampleOptions): Promise<Written> {
  let [count, whole] = [0, 0];
  for await (const { sample, tokens, text, stopped } of endedSamples(model, prompt, options)) {
    count += tokens.length;
    if (stopped !== "interrupted") whole++;
    const all = shown(prompt.text + text);
    await print(`--- sample ${sample + 1}, seed ${seedOf(options, sample)}\n${all}${all.endsWith("\n") ? "" : "\n"}`);
  }
  return { tokens: count, wholeSamples: whole };
}

export async function printJson(model: GPT2, prompt: Prompt, options: SampleOptions): Promise<Written> {
  const { samples = 1, seed } = options;
  let [count, whole] = [0, 0];
  for await (const { sample, text, tokens, stopped } of endedSamples(model, prompt, options)) {
    count += tokens.length;
    if (stopped !== "interrupted") whole++;
    const which = samples === 1 ? { seed } : { sample, seed: seedOf(options, sample) };
    const result = {
      prompt: prompt.text,
      promptTokens: prompt.tokens,
      ...which,
      text,
      tokens: tokens.map(({ token }) => token),
      stopped,
      logprobs: tokens.map((event) => logprobOf(model, event)),
    };
    await print(`${JSON.stringify(result)}\n`);
  }
  return { tokens: count, wholeSamples: whole };
}

function logprobOf({ tokenizer }: GPT2, { token, logprob = Number.NaN, top = [] }: TokenEvent) {
  const entry = (one: TokenLogprob) => ({ id: one.token, text: tokenizer?.decode([one.token]), logprob: one.logprob });
  return { ...entry({ token, logprob }), ...(top.length > 0 && { top: top.map(entry) }) };
}

interface EndedSample {
  readonly sample: number;
  readonly text: string;
  readonly tokens: readonly TokenEvent[];
  readonly stopped: FinishReason;
}

/** The samples in order, each as soon as it and all before it have ended. */
async function* endedSamples(
  model: GPT2,
  prompt: Prompt,
  options: SampleOptions,
): AsyncGenerator<EndedSample, void, undefined> {
  const started = new Map<number, GenerateEvent[]>();
  let next = 0;
  for await (const event of model.generateSamples(prompt.tokens, options)) {
    if (!started.has(event.sample)) started.set(event.sample, []);
    started.get(event.sample)?.push(event);
    for (let events = started.get(next); events; events = started.get(next)) {
      const last = events.at(-1);
      if (last?.type !== "end") break;
      const tokens = events.filter((one) => one.type === "token");
      const text = events.map((one) => textOf(model, one)).join("");
      started.delete(next);
      yield { sample: next++, text, tokens, stopped: last.reason };
    }
  }
}

/** The text that an event brings; without a tokenizer its token's id and a space, as llm.c prints it. */
function textOf({ tokenizer }: GPT2, event: GenerateEvent): string {
  return tokenizer || event.type === "end" ? event.text : `${event.token} `;
}

/** A file gets every character; a terminal none that would change more than the text. */
function shown(text: string): string {
  return process.stdout.isTTY ? printable(text) : text;
}
