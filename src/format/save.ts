import { platform } from "#platform";
import type { Appender, ByteSink } from "../platform/platform.ts";

/** Writes a file atomically: after any failure, an earlier file at `path` is unchanged. */
export async function save(path: string, write: (sink: ByteSink) => Promise<void>): Promise<void> {
  const sink = await platform.createSink(path);
  try {
    await write(sink);
    await sink.commit();
  } finally {
    await sink.abort();
  }
}

/** Writes a text file atomically. */
export async function saveText(path: string, text: string): Promise<void> {
  await save(path, (sink) => sink.write(new TextEncoder().encode(text)));
}

/** Identity of a file's content. */
export interface FileHash {
  readonly bytes: number;
  readonly sha256: string;
}

/** `save` for an append-only file, hashed while it is written. */
export async function saveHashed(path: string, write: (out: Appender) => Promise<void>): Promise<FileHash> {
  const hash = await platform.sha256();
  let bytes = 0;
  await save(path, async (sink) => {
    const hashed = async (data: Uint8Array) => {
      hash.update(data);
      await sink.write(data);
    };
    await write({ name: sink.name, write: hashed });
    bytes = sink.size;
  });
  return { bytes, sha256: hash.digest() };
}
