/**
 * Hugging Face's cache, laid out as huggingface_hub does, so that every program shares one download:
 *
 *     models--USER--REPO/refs/main                    the commit that "main" meant last
 *     models--USER--REPO/snapshots/COMMIT/config.json a link to ../../blobs/ETAG
 *     models--USER--REPO/blobs/ETAG                   the content, whole and verified
 *     models--USER--REPO/blobs/ETAG.incomplete        what has come of it so far
 *
 * Data sets are in datasets--USER--REPO, laid out alike.
 */
import { constants } from "node:fs";
import { chmod, copyFile, link, readdir, readFile, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { errorCode, explained } from "../platform/node-errors.ts";
import { makeFolder } from "../platform/node-folders.ts";
import { removeLeftovers, temporaryFor } from "../platform/node-temporary.ts";

/** Kinds of repositories on the hub. */
export type RepositoryKind = "model" | "dataset";

/** A file of a repository, as the hub describes it. */
export interface RemoteFile {
  readonly kind: RepositoryKind;
  readonly repository: string;
  readonly commit: string;
  readonly path: string;
  readonly url: URL;
  readonly size: number;
  /** The name of its content: sha256 of large files, git's hash of small ones. Files are stored under it. */
  readonly etag: string;
}

/** A repository's folder in the cache. */
export class RepositoryCache {
  readonly folder: string;

  constructor(cache: string, repository: string, kind: RepositoryKind) {
    this.folder = join(cache, `${kind}s--${repository.replaceAll("/", "--")}`);
  }

  blob(etag: string): string {
    return join(this.folder, "blobs", etag);
  }

  snapshot(commit: string): string {
    return join(this.folder, "snapshots", commit);
  }

  /** True when the whole file is cached: a blob gets its name once verified. */
  async has({ etag, size }: RemoteFile): Promise<boolean> {
    return (await sizeOf(this.blob(etag))) === size;
  }

  /** The commit of a revision at its last lookup. */
  async commitOf(revision: string): Promise<string | undefined> {
    if (/^[0-9a-f]{40}$/.test(revision)) return revision;
    const file = join(this.folder, "refs", revision);
    const text = (await sizeOf(file)) === undefined ? "" : await readFile(file, "utf8");
    return /^[0-9a-f]{40}$/.exec(text.trim())?.[0];
  }

  async setCommit(revision: string, commit: string): Promise<void> {
    if (revision === commit) return;
    const path = join(this.folder, "refs", revision);
    await appear(path, (temporary) => writeFile(temporary, commit));
  }

  /** The files of a snapshot that are here, by their paths in the repository. */
  async files(commit: string): Promise<string[]> {
    const folder = this.snapshot(commit);
    const names = await readdir(folder, { recursive: true }).catch(() => []);
    const found: string[] = [];
    for (const name of names)
      if ((await sizeOf(join(folder, name))) !== undefined) found.push(name.replaceAll("\\", "/"));
    return found;
  }

  /** Gives a blob its name in the snapshot. Where links are not permitted (Windows), a second name or a copy. */
  async addToSnapshot({ etag, commit, path, size }: RemoteFile): Promise<string> {
    const name = join(this.snapshot(commit), path);
    const blob = this.blob(etag);
    if ((await sizeOf(name)) === size) return name;
    await appear(name, async (temporary) => {
      try {
        await symlink(relative(dirname(name), blob), temporary, "file");
      } catch (error) {
        if (!["EPERM", "EACCES", "ENOTSUP", "ENOSYS"].includes(errorCode(error) ?? "")) throw error;
        await link(blob, temporary).catch(() => copyFile(blob, temporary));
      }
    });
    return name;
  }
}

/**
 * Copies a file out of the cache: a link would let whoever changes it there change the cache of all programs. Where the file
 * system copies on write, it takes no room.
 */
export async function copyOut(from: string, to: string): Promise<void> {
  await appear(to, async (temporary) => {
    await copyFile(from, temporary, constants.COPYFILE_FICLONE);
    // A cache that several people share may be read-only.
    const { mode } = await stat(temporary);
    if ((mode & 0o200) === 0) await chmod(temporary, mode | 0o200);
  });
}

/** Makes a file under a temporary name and renames it: it appears whole or not at all. */
export async function appear(path: string, make: (temporary: string) => Promise<void>): Promise<void> {
  await makeFolder(dirname(path));
  await explained(path, async () => {
    await removeLeftovers(path);
    const temporary = temporaryFor(path);
    try {
      await make(temporary);
      await rename(temporary, path);
    } finally {
      await rm(temporary, { force: true });
    }
  });
}

/** Of a file, links followed; undefined when there is none. */
export async function sizeOf(path: string): Promise<number | undefined> {
  const info = await stat(path).catch(() => undefined);
  return info?.isFile() ? info.size : undefined;
}
