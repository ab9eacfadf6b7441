import { platform } from "#platform";
import type { ByteSink } from "../platform/platform.ts";

/** Writes a file whole or not at all: whatever fails, what stood under `path` before stays as it was. */
export async function save(path: string, write: (sink: ByteSink) => Promise<void>): Promise<void> {
  const sink = await platform.createSink(path);
  try {
    await write(sink);
    await sink.commit();
  } finally {
    await sink.abort();
  }
}
