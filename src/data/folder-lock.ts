/** The lock of a folder that data, or a tokenizer, is written into: the files of two writers would be no set. */
import { platform } from "#platform";
import { InputError } from "../errors.ts";
import { inMadeFolder } from "../format/save.ts";
import { inFolder } from "../platform/paths.ts";

export const lockFileName = "prepare.lock";

/**
 * Makes a folder for `work`, which alone writes into it: InputError while another process does. `requireLock`, to be called
 * before a file is put in place, throws LlmError when another process has held this one for dead and taken the folder over.
 */
export async function inLockedFolder<R>(
  folder: string,
  work: (requireLock: () => Promise<void>) => Promise<R>,
): Promise<R> {
  return inMadeFolder(folder, async () => {
    const lock = await platform.lockFile(inFolder(folder, lockFileName));
    try {
      return await work(() => lock.check());
    } finally {
      await lock.release();
    }
  });
}

/** InputError while another process writes into a folder. */
export async function requireUnlocked(folder: string): Promise<void> {
  const owner = await platform.lockOwner(inFolder(folder, lockFileName));
  if (owner)
    throw new InputError(
      `${folder}: ${owner.who} is preparing data there, since ${owner.started}. Wait for it, or use another folder.`,
    );
}
