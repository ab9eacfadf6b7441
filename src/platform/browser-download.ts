import { InputError } from "../errors.ts";
import { MemorySink } from "./memory-sink.ts";
import { nameOf } from "./paths.ts";
import type { ByteSink } from "./platform.ts";

/** A page's sink for an ordinary file name: collects the content in memory, then offers it as a download of that name. */
export async function createDownload(path: string): Promise<ByteSink> {
  if (typeof document === "undefined")
    throw new InputError(
      `${path} cannot be written: a worker cannot offer downloads. Save from the page itself, or into the browser's ` +
        "storage, under a path that begins with opfs:/.",
    );
  return new MemorySink(path, (parts) => download(path, new Blob([...parts])));
}

/** Offers bytes as a download, under the last part of `path`. */
export function download(path: string, blob: Blob): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = nameOf(path);
  link.click();
  // The browser takes its time to begin; without this the tab would keep the bytes for ever.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
