import { platform } from "#platform";
import { GPT2 } from "../api/gpt2.ts";
import type { GenerateOptions } from "../api/options.ts";
import { readText } from "../data/text.ts";
import { TextStream } from "../tokenizer/tokenizer.ts";
import { paintFor } from "./display/paint.ts";
import { printable, short } from "./display/text.ts";
import type { GenerateFlags } from "./generate.ts";
import { Interrupt } from "./interrupt.ts";
import { modelPath } from "./model-path.ts";

/** What `llm-ts generate` does. */
export async function generate(argument: string | undefined, flags: GenerateFlags): Promise<void> {
  const interrupt = new Interrupt();
  const prompt = argument === "-" ? await standardInput() : (argument ?? "");
  const { backend, threads, revectorize, kernel } = flags;
  const model = await GPT2.load(await modelPath(flags.model), { backend, threads, revectorize, kernel });
  try {
    interrupt.finishFirst(() => {});
    const { tokens: maxTokens, temperature, topK, topP, seed } = flags;
    const options = { maxTokens, temperature, topK, topP, seed, signal: interrupt.signal };
    if (flags.json) await printJson(model, prompt, options);
    else await printText(model, prompt, options);
  } finally {
    await model.dispose();
    interrupt.dispose();
  }
  if (interrupt.exitCode !== undefined) process.exitCode = interrupt.exitCode;
}

async function printText(model: GPT2, prompt: string, options: GenerateOptions): Promise<void> {
  const { stdout, stderr } = process;
  const tokenizer = model.requireTokenizer();
  const promptTokens = tokenizer.encode(prompt);
  // A file gets every character; a terminal none that would change more than the text.
  const shown = stdout.isTTY ? printable : (text: string) => text;
  stdout.write(paintFor(stdout).bold(shown(prompt)));
  const stream = new TextStream(tokenizer);
  const start = performance.now();
  let count = 0;
  let last = prompt;
  const print = (text: string) => {
    if (text === "") return;
    last = text;
    stdout.write(shown(text));
  };
  for await (const token of model.generateTokens(promptTokens, options)) {
    count++;
    print(stream.push(token));
  }
  print(stream.end());
  if (!last.endsWith("\n")) stdout.write("\n");
  const speed = short((1000 * count) / (performance.now() - start));
  if (stderr.isTTY) stderr.write(paintFor(stderr).dim(`${count} tokens, ${speed} a second\n`));
}

async function printJson(model: GPT2, prompt: string, options: GenerateOptions): Promise<void> {
  // Without a prompt there is nothing to encode, and tokens are a result too.
  const promptTokens = prompt === "" ? [] : model.requireTokenizer().encode(prompt);
  const tokens: number[] = [];
  for await (const token of model.generateTokens(promptTokens, options)) tokens.push(token);
  const text = model.tokenizer?.decode(tokens) ?? "";
  process.stdout.write(`${JSON.stringify({ prompt, promptTokens, text, tokens })}\n`);
}

/** All of standard input, without the line break at its end. */
async function standardInput(): Promise<string> {
  let text = "";
  for await (const piece of readText(await platform.openStream("-"))) text += piece;
  return text.replace(/\r?\n$/, "");
}
