import { platform } from "#platform";
import type { BaseModel } from "../api/adapter-base.ts";
import type { GPT2 } from "../api/gpt2.ts";
import { adapterFiles } from "../format/adapter.ts";
import { type FileHash, saveHashed } from "../format/save.ts";
import { adapterConfig, writeAdapter } from "../format/trained-adapter.ts";
import type { AdapterTraining } from "../model/lora.ts";
import { inFolder } from "../platform/paths.ts";

/** Writes an adapter into a folder, which is made where it is missing, in PEFT's layout: its files by name. */
export async function saveAdapter(
  folder: string,
  { backend, config }: GPT2,
  { lora, set }: Pick<AdapterTraining, "lora" | "set">,
  base: BaseModel & Partial<FileHash>,
): Promise<Record<string, FileHash>> {
  await platform.makeFolder(folder);
  const weights = await saveHashed(inFolder(folder, adapterFiles.weights), (out) =>
    writeAdapter(out, config, lora, base, (name, start, length) => set.read(backend, name, start, length)),
  );
  const text = `${JSON.stringify(adapterConfig(lora, base.name), null, 2)}\n`;
  const settings = await saveHashed(inFolder(folder, adapterFiles.config), (out) =>
    out.write(new TextEncoder().encode(text)),
  );
  return { [adapterFiles.weights]: weights, [adapterFiles.config]: settings };
}
