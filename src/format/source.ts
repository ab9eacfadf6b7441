import { platform } from "#platform";
import { InputError } from "../errors.ts";
import type { ByteSource } from "../platform/platform.ts";

/** Opens a file, passes it to `use`, and closes it in any case. */
export async function withSource<T>(
  input: Parameters<typeof platform.openSource>[0],
  use: (source: ByteSource) => T | Promise<T>,
): Promise<T> {
  const source = await platform.openSource(input);
  try {
    return await use(source);
  } finally {
    await source.close();
  }
}

/** Length of a file in bytes. */
export function sizeOf(path: string): Promise<number> {
  return withSource(path, ({ size }) => size);
}

/**
 * Content of a text file. InputError when it is missing or longer than `most` bytes, so that a wrong file is not read into
 * memory; `advice` ends that message.
 */
export function readSmallText(input: string | Blob, advice = "It is another file.", most = 64 << 20): Promise<string> {
  return withSource(input, async (source) => {
    if (source.size <= most) return new TextDecoder().decode(await source.read(0, source.size));
    throw new InputError(`${source.name} has ${source.size} bytes, expected at most ${most}. ${advice}`);
  });
}
