import { constants } from "node:fs";
import { access, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { InputError, messageOf, UsageError } from "../../errors.ts";
import { inMadeFolder } from "../../format/save.ts";
import { exercises, type Language, sourceOf } from "../../learn/source.ts";

/** True where this Node runs TypeScript itself: from 22.18 and 23.6 on. */
const runsTypeScript = Boolean(process.features.typescript);

/** A reader's folder. */
export interface Exercises {
  readonly folder: string;
  readonly language: Language;
}

/**
 * The exercises in a folder; undefined where there are none. Both languages are read; new ones are TypeScript where Node runs it,
 * else JavaScript with the same types in comments, so that nothing has to be installed.
 */
export async function findExercises(folder: string): Promise<Exercises | undefined> {
  const names: string[] = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw new InputError(`${folder} cannot be read as a folder: ${error.message}. Give another folder.`);
  });
  const language = (["ts", "js"] as const).find((each) => exercises.some(({ id }) => names.includes(`${id}.${each}`)));
  if (language === undefined) return undefined;
  if (language === "ts" && !runsTypeScript)
    throw new UsageError(
      `The exercises in ${folder} are TypeScript, which Node ${process.versions.node} does not run: use Node 22.18 or newer, or ` +
        "start in another folder, where they are JavaScript.",
    );
  return { folder, language };
}

/** Writes the exercises that are missing; returns their names. What is there stays as it is. */
export async function writeExercises({ folder, language }: Exercises): Promise<string[]> {
  const written: string[] = [];
  try {
    await inMadeFolder(folder, async () => {
      for (const { id } of exercises)
        if (await writeNew(join(folder, `${id}.${language}`), sourceOf(id, language)))
          written.push(`${id}.${language}`);
      await writeNew(join(folder, "package.json"), '{ "private": true, "type": "module" }\n');
    });
  } catch (error) {
    throw new InputError(`The exercises cannot be written to ${folder}: ${messageOf(error)}. Give another folder.`, {
      cause: error,
    });
  }
  return written;
}

async function writeNew(path: string, text: string): Promise<boolean> {
  if (await exists(path)) return false;
  await writeFile(path, text, { flag: "wx" });
  return true;
}

export function exists(path: string): Promise<boolean> {
  return access(path, constants.F_OK).then(
    () => true,
    () => false,
  );
}

export const newLanguage: Language = runsTypeScript ? "ts" : "js";

/** True for a file that is still as it was written. */
export async function isUntouched({ folder, language }: Exercises, id: string): Promise<boolean> {
  const path = join(folder, `${id}.${language}`);
  if ((await stat(path)).isDirectory())
    throw new InputError(`${path} is a folder, where the file of an exercise is expected. Move it away.`);
  return (await readFile(path, "utf8")) === sourceOf(id, language);
}
