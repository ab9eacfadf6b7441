/** Paths as text, without access to files. */

/** Path of a file in a folder; "" is the current one. Forward slashes work everywhere. */
export function inFolder(folder: string, name: string): string {
  return folder === "" || /[\\/]$/.test(folder) ? folder + name : `${folder}/${name}`;
}

/** The absolute path of one that may be relative to `folder`. */
export function absolutePath(folder: string, path: string): string {
  return /^([/\\]|[A-Za-z]:|[a-z]+:\/)/.test(path) ? path : inFolder(folder, path);
}

/** The last part of a path: the name of a file or folder. */
export function nameOf(path: string): string {
  return path.replace(/^.*[/\\]/s, "");
}

/** The folder of a file. */
export function folderOf(path: string): string {
  const cut = Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\"));
  return cut < 0 ? "." : path.slice(0, Math.max(cut, 1));
}
