/** What is in a folder. A link to a folder is none: links may lead in circles. */
export interface FolderEntry {
  readonly name: string;
  readonly isFolder: boolean;
}

/** What a glob asks of the files that it is matched against. */
export interface FileTree {
  pathKind(path: string): Promise<"file" | "folder" | undefined>;
  /** What is in a folder, whose path is "" or ends in "/"; nothing where there is no such folder. */
  entriesOf(folder: string): Promise<readonly FolderEntry[]>;
}

/**
 * The files that a glob matches, in code-unit order. Hidden files and folders only where the pattern itself starts with
 * a dot.
 */
export async function matchGlob(tree: FileTree, pattern: string): Promise<string[]> {
  const found: string[] = [];
  await expand(tree, "", pattern.split("/"), found);
  return [...new Set(found)].sort();
}

/** Adds to `found` the files beneath `prefix` ("" or ending in "/") that match the remaining path segments. */
async function expand(
  tree: FileTree,
  prefix: string,
  [segment = "", ...rest]: readonly string[],
  found: string[],
): Promise<void> {
  if (!/[*?]/.test(segment)) {
    if (rest.length > 0) await expand(tree, `${prefix}${segment}/`, rest, found);
    else if ((await tree.pathKind(prefix + segment)) === "file") found.push(prefix + segment);
    return;
  }
  if (segment === "**") await expand(tree, prefix, rest.length > 0 ? rest : ["*"], found);
  const matches = segment === "**" ? /^[^.]/ : wildcard(segment);
  for (const entry of await tree.entriesOf(prefix)) {
    if (!matches.test(entry.name)) continue;
    const path = prefix + entry.name;
    if (segment === "**") {
      if (entry.isFolder) await expand(tree, `${path}/`, [segment, ...rest], found);
    } else if (rest.length > 0) {
      if ((await tree.pathKind(path)) === "folder") await expand(tree, `${path}/`, rest, found);
    } else if ((await tree.pathKind(path)) === "file") found.push(path);
  }
}

function wildcard(segment: string): RegExp {
  const escaped = segment.replace(/[.+^${}()|[\]\\]/g, "\\$&");
  const hidden = segment.startsWith(".") ? "" : "(?!\\.)";
  return new RegExp(`^${hidden}${escaped.replaceAll("*", ".*").replaceAll("?", ".")}$`, "su");
}
