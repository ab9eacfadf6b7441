/** V8's flags, which are the whole process's: changed for one call, and put back to what they were. */
import { cachedDataVersionTag, setFlagsFromString } from "node:v8";

/** Runs `task`, which must be synchronous, with boolean flags such as "--no-liftoff". All have to be known to this V8. */
export function withFlags<T>(flags: readonly string[], task: () => T): T {
  const changed: string[] = [];
  try {
    for (const flag of flags) if (changes(flag)) changed.unshift(flag);
    return task();
  } finally {
    for (const flag of changed) setFlagsFromString(opposite(flag));
  }
}

/** True if this V8 has such a flag. Setting one that it lacks prints a complaint on standard error. */
export function isKnown(flag: string): boolean {
  if (changes(flag)) {
    setFlagsFromString(opposite(flag));
    return true;
  }
  const wasSet = changes(opposite(flag));
  if (wasSet) setFlagsFromString(flag);
  return wasSet;
}

/** Sets a flag; true if that changed it. V8 does not expose a flag's value, but a tag that changes with each of them. */
function changes(flag: string): boolean {
  const before = cachedDataVersionTag();
  setFlagsFromString(flag);
  return cachedDataVersionTag() !== before;
}

function opposite(flag: string): string {
  return flag.startsWith("--no-") ? `--${flag.slice(5)}` : `--no-${flag.slice(2)}`;
}
