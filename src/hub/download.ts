/** One file from the hub into the cache: whole and verified, or not under its name at all. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import { DownloadError } from "../errors.ts";
import { explain } from "../platform/node-errors.ts";
import type { LockOwner } from "../platform/platform.ts";
import type { RemoteFile } from "./cache.ts";
import { RepositoryCache, sizeOf } from "./cache.ts";
import type { HubClient } from "./client.ts";
import { incomplete, PartialFile } from "./partial.ts";
import { chunksOf, type HubResponse, TemporaryError } from "./response.ts";

/** Progress of a file: bytes downloaded or, at the end, verified. */
export type OnBytes = (bytes: number, phase: "downloading" | "verifying") => void;

/** Called while waiting for another process that downloads the file. */
export type OnWait = (owner: LockOwner) => void;

/** Interval of polling for another process's file. */
const pollEveryMs = 300;

/** Downloads a file into the cache, resuming an earlier attempt, and returns its path in the snapshot. */
export async function downloadFile(
  client: HubClient,
  file: RemoteFile,
  onBytes: OnBytes = () => {},
  onWait: OnWait = () => {},
): Promise<string> {
  const cache = new RepositoryCache(client.settings.cache, file.repository, file.kind);
  const blob = cache.blob(file.etag);
  let waiting = false;
  while (!(await cache.has(file))) {
    const partial = await PartialFile.claim(blob);
    if (partial instanceof PartialFile) {
      await complete(client, cache, file, partial, onBytes);
      break;
    }
    if (!waiting) onWait(partial);
    waiting = true;
    onBytes((await sizeOf(incomplete(blob))) ?? 0, "downloading");
    await wait(pollEveryMs);
  }
  return cache.addToSnapshot(file);
}

async function complete(
  client: HubClient,
  cache: RepositoryCache,
  file: RemoteFile,
  partial: PartialFile,
  onBytes: OnBytes,
): Promise<void> {
  try {
    // The previous owner of the lock may just have finished.
    if (await cache.has(file)) return;
    for (let again = false; ; again = true) {
      await client.persist(
        () => fetchRest(client, file, partial, onBytes),
        () => partial.size,
      );
      const damage = await verify(file, partial.path, onBytes);
      if (damage === undefined) return await partial.finish();
      await partial.restart();
      if (again)
        throw new DownloadError(
          `${file.path} of ${file.repository} arrived damaged twice: ${damage}. Nothing of it was kept. Something on ` +
            "the way changes it (a proxy?), or the server's file is damaged: try again later, or another HF_ENDPOINT.",
        );
    }
  } finally {
    await partial.release();
  }
}

/** Asks for what is missing and writes it. Never a byte more than the file has. */
async function fetchRest(client: HubClient, file: RemoteFile, partial: PartialFile, onBytes: OnBytes): Promise<void> {
  if (partial.size > file.size) await partial.restart();
  onBytes(partial.size, "downloading");
  if (partial.size === file.size) return;
  const response = await client.request(file.url, {
    what: `${file.path} of ${file.repository}`,
    ...(partial.size > 0 && { headers: { range: `bytes=${partial.size}-` } }),
  });
  let position = await startOf(response, file, partial);
  for await (const chunk of chunksOf(response)) {
    if (position + chunk.length > file.size) {
      await partial.restart();
      throw mismatch(response, file, `more than the ${file.size} bytes that it has`);
    }
    await partial.write(chunk, position);
    position += chunk.length;
    onBytes(position, "downloading");
  }
  if (position < file.size) throw mismatch(response, file, `its bytes only up to ${position} of ${file.size}`);
}

/** Offset of an answer in the file: as requested, or 0 when the server ignores ranges. */
async function startOf(response: HubResponse, file: RemoteFile, partial: PartialFile): Promise<number> {
  const { status } = response;
  const refuse = (what: string) => {
    response.body.destroy();
    return mismatch(response, file, what);
  };
  if (status === 416) {
    await partial.restart();
    throw refuse("no such part of it");
  }
  const encoding = response.header("content-encoding") ?? "identity";
  if (encoding !== "identity") {
    response.body.destroy();
    throw new DownloadError(
      `${response.url.host} sends ${file.path} of ${file.repository} compressed (${encoding}), which llm-ts did not ask for. ` +
        "Something on the way changes it (a proxy?): try without it (NO_PROXY), or another HF_ENDPOINT.",
    );
  }
  const range = response.header("content-range");
  if (status === 206) {
    const [, start, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(range ?? "") ?? [];
    if (Number(start) === partial.size && (total === "*" || Number(total) === file.size)) return partial.size;
    throw refuse(`the part "${range}", not what is missing from byte ${partial.size} of ${file.size}`);
  }
  const length = response.header("content-length");
  if (status === 200 && (length === undefined || Number(length) === file.size)) return 0;
  throw refuse(status === 200 ? `${length} bytes, not the ${file.size} that it has` : `status ${status}`);
}

function mismatch({ url }: HubResponse, { path }: RemoteFile, what: string): TemporaryError {
  return new TemporaryError(`${url.host} sends of ${path} ${what}.`);
}

/**
 * The damage of a file's content; undefined when it is intact. A name of 64 digits is the content's sha256, one of
 * 40 the sha1 that git gives it; a mirror may have others, and then only the size can be checked.
 */
export async function verify(
  { etag, size }: RemoteFile,
  path: string,
  onBytes: OnBytes = () => {},
): Promise<string | undefined> {
  if (!/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(etag)) return undefined;
  const hash = createHash(etag.length === 64 ? "sha256" : "sha1");
  if (etag.length === 40) hash.update(`blob ${size}\0`);
  let done = 0;
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
      hash.update(chunk);
      done += chunk.length;
      onBytes(done, "verifying");
    }
  } catch (error) {
    throw explain(path, error);
  }
  const found = hash.digest("hex");
  return found === etag ? undefined : `its hash is ${found}, expected ${etag}`;
}
