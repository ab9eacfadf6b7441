import { basename } from "node:path";
import { sizeOf } from "../../format/source.ts";
import { pretrainedFile } from "../../model/config.ts";
import { bytes } from "../display/text.ts";
import { Interrupt } from "../interrupt.ts";
import { print, say } from "../output.ts";
import { suggestion } from "../suggest.ts";
import type { PullFlags } from "./command.ts";
import { linkFiles, type Written, writeLlmcFiles } from "./files.ts";
import { pullModel } from "./model.ts";

/** What `llm-ts pull` does. */
export async function pull(name: string, flags: PullFlags): Promise<void> {
  const interrupt = new Interrupt();
  const model = await pullModel(name, flags.revision);
  const wantsBin = flags.format === "bin";
  const short = basename(name);
  const folder = flags.out ?? (wantsBin && short === name ? "." : short);
  const written: Written = wantsBin
    ? await writeLlmcFiles(model, folder, pretrainedFile(name) ?? `${short}.bin`)
    : { files: await linkFiles(model, folder) };
  interrupt.dispose();
  if (written.problem !== undefined) say(`${name} is kept as safetensors: ${written.problem}`);
  if (flags.json) {
    const { repository, revision } = model;
    return print(`${JSON.stringify({ repository, revision, commit: basename(model.folder), folder, ...written })}\n`);
  }
  for (const file of written.files) await print(`${file}  ${bytes(await sizeOf(file))}\n`);
  say(nextCommands(written.files));
}

/** What to try next: commands that work as they stand. */
function nextCommands(files: readonly string[]): string {
  const [model] = files.filter((file) => /(\.bin|\.safetensors|index\.json)$/.test(file) && !/tokenizer/.test(file));
  return (
    "\nwrite with this model:\n" +
    `  ${suggestion("generate", "The meaning of life is", "--model", model)}\n` +
    "fine-tune it on tiny Shakespeare:\n" +
    `  ${suggestion("train", "--model", model, "-o", "runs/")}`
  );
}
