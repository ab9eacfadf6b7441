import { createSink } from "./browser-file-sink.ts";
import { makeFolder, openSource } from "./browser-files.ts";

/** Folder of the cache in workers, which have no localStorage. Hidden, so that no glob matches it. */
const folder = "opfs:/.llm-ts";

const fileOf = (name: string) => `${folder}/${name}.json`;

/** Fails silently: storage may be full, or forbidden by the user. */
export async function remember(name: string, text: string): Promise<void> {
  try {
    if (typeof localStorage === "object") return localStorage.setItem(`llm-ts ${name}`, text);
    await makeFolder(folder);
    const sink = await createSink(fileOf(name));
    try {
      await sink.write(new TextEncoder().encode(text));
      await sink.commit();
    } finally {
      await sink.abort();
    }
  } catch {}
}

export async function recall(name: string): Promise<string | undefined> {
  try {
    if (typeof localStorage === "object") return localStorage.getItem(`llm-ts ${name}`) ?? undefined;
    const source = await openSource(fileOf(name));
    return new TextDecoder().decode(await source.read(0, source.size));
  } catch {
    return undefined;
  }
}
