import type { PathKind } from "./platform.ts";

/** An entry of a folder. A symbolic link to a folder is not followed: links may form cycles. */
export interface FolderEntry {
  readonly name: string;
  readonly isFolder: boolean;
}

/** File system operations that a glob needs. */
export interface FileTree {
  pathKind(path: string): Promise<PathKind | undefined>;
  /** Entries of a folder, whose path is "" or ends in "/"; empty if there is no such folder. */
  entriesOf(folder: string): Promise<readonly FolderEntry[]>;
}

/** True if a path exists, whether or not it can be opened. */
export function isNoFolder(kind: PathKind | undefined): boolean {
  return kind !== undefined && kind !== "folder";
}

/** True if a path may be a glob; an existing path is not one. */
export function hasWildcard(path: string): boolean {
  return /[*?]/.test(path);
}

/**
 * The files that a glob matches, in code-unit order. Hidden files and folders only where the pattern itself starts with
 * a dot. Folders at its beginning that exist under the very name are meant, whatever characters they have. `within` is a
 * folder that the whole pattern lies in, and is never a pattern. `onSkip` gets what matches and is neither file nor folder;
 * named without wildcards, that is among the files, so that opening it says what it is.
 */
export async function matchGlob(
  tree: FileTree,
  pattern: string,
  within?: string,
  onSkip?: (path: string) => void,
): Promise<string[]> {
  const segments = pattern.split("/");
  let prefix = within === undefined ? "" : folderPrefix(within);
  while (segments.length > 1 && (await isLiteral(tree, prefix, segments[0]))) prefix += `${segments.shift()}/`;
  const found: string[] = [];
  await expand(tree, prefix, segments, found, onSkip);
  return [...new Set(found)].sort();
}

function folderPrefix(folder: string): string {
  return folder.endsWith("/") ? folder : `${folder}/`;
}

async function isLiteral(tree: FileTree, prefix: string, segment: string): Promise<boolean> {
  return !hasWildcard(segment) || (await tree.pathKind(prefix + segment)) === "folder";
}

/** Adds to `found` the files beneath `prefix` ("" or ending in "/") that match the remaining path segments. */
async function expand(
  tree: FileTree,
  prefix: string,
  [segment = "", ...rest]: readonly string[],
  found: string[],
  onSkip?: (path: string) => void,
): Promise<void> {
  if (!hasWildcard(segment)) {
    if (rest.length > 0) await expand(tree, `${prefix}${segment}/`, rest, found, onSkip);
    else if (isNoFolder(await tree.pathKind(prefix + segment))) found.push(prefix + segment);
    return;
  }
  if (segment === "**") await expand(tree, prefix, rest.length > 0 ? rest : ["*"], found, onSkip);
  const matches = segment === "**" ? /^[^.]/ : wildcard(segment);
  for (const entry of await tree.entriesOf(prefix)) {
    if (!matches.test(entry.name)) continue;
    const path = prefix + entry.name;
    if (segment === "**") {
      if (entry.isFolder) await expand(tree, `${path}/`, [segment, ...rest], found, onSkip);
    } else if (rest.length > 0) {
      if ((await tree.pathKind(path)) === "folder") await expand(tree, `${path}/`, rest, found, onSkip);
    } else {
      const kind = await tree.pathKind(path);
      if (kind === "file") found.push(path);
      if (kind === "special") onSkip?.(path);
    }
  }
}

function wildcard(segment: string): RegExp {
  const escaped = segment.replace(/[.+^${}()|[\]\\]/g, "\\$&");
  const hidden = segment.startsWith(".") ? "" : "(?!\\.)";
  return new RegExp(`^${hidden}${escaped.replaceAll("*", ".*").replaceAll("?", ".")}$`, "su");
}
