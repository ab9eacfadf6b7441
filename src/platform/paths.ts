/** Paths of files, as text: nothing is looked up. */

/** A file's path in a folder. Forward slashes work everywhere. */
export function inFolder(folder: string, name: string): string {
  return /[\\/]$/.test(folder) ? folder + name : `${folder}/${name}`;
}

/** The folder that a file lies in. */
export function folderOf(path: string): string {
  const cut = Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\"));
  return cut < 0 ? "." : path.slice(0, Math.max(cut, 1));
}
