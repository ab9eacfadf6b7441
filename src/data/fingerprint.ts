import { platform } from "#platform";
import type { FileHash } from "../format/save.ts";
import { withSource } from "../format/source.ts";

/** A file, and by which its content is known again. */
export interface Fingerprint extends FileHash {
  readonly path: string;
}

const piece = 1 << 20;
/** Larger files are not read whole: a run on a hundred gigabytes should not begin with minutes of hashing. */
const mostPieces = 256;

/**
 * The size and sha256 of a file: of all of it up to 256 MB, else of 256 pieces of a megabyte that lie evenly in it, the
 * first and the last among them.
 */
export function fingerprint(path: string): Promise<Fingerprint> {
  return withSource(path, async (source) => {
    const hash = await platform.sha256();
    const { size } = source;
    const pieces = Math.min(mostPieces, Math.ceil(size / piece));
    const last = Math.max(0, size - piece);
    for (let i = 0; i < pieces; i++) {
      const start = size > mostPieces * piece ? Math.round((last * i) / (pieces - 1)) : i * piece;
      hash.update(await source.read(start, Math.min(piece, size - start)));
    }
    return { path, bytes: size, sha256: hash.digest() };
  });
}

export async function fingerprints(paths: readonly string[]): Promise<Fingerprint[]> {
  const found: Fingerprint[] = [];
  for (const path of paths) found.push(await fingerprint(path));
  return found;
}

/**
 * Differences between files and their earlier fingerprints, in words: one line for each that is gone, new or changed.
 * Moved files are the same as long as their contents and their order are.
 */
export function differences(before: readonly Fingerprint[], now: readonly Fingerprint[]): string[] {
  const paths = (files: readonly Fingerprint[]) => new Set(files.map(({ path }) => path));
  const [old, current] = [paths(before), paths(now)];
  const gone = before.filter(({ path }) => !current.has(path));
  const fresh = now.filter(({ path }) => !old.has(path));
  const moved = Math.min(gone.length, fresh.length);
  const pairs = before
    .map((was) => [was, now.find(({ path }) => path === was.path) ?? fresh[gone.indexOf(was)]] as const)
    .filter((pair): pair is [Fingerprint, Fingerprint] => pair[1] !== undefined);
  return [
    ...gone.slice(moved).map(({ path }) => `${path} is gone`),
    ...fresh.slice(moved).map(({ path }) => `${path} is new`),
    ...pairs.map(([was, is]) => change(was, is)).filter((line) => line !== undefined),
  ];
}

function change(was: Fingerprint, is: Fingerprint): string | undefined {
  if (was.bytes !== is.bytes) return `${is.path} has ${is.bytes} bytes, and ${was.path} had ${was.bytes}`;
  if (was.sha256 === is.sha256) return undefined;
  return `${is.path} has other content than ${was.path} had (sha256 ${short(is)}, was ${short(was)})`;
}

const short = ({ sha256 }: FileHash) => `${sha256.slice(0, 12)}…`;
