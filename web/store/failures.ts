/** What went wrong, each where it is shown, until it is tried again or put away. */
import { signal } from "@preact/signals";
import { LlmError, messageOf } from "../../src/errors.ts";

/** Where it is shown: beside what was tried. */
export type Place = "device" | "data" | "run" | "open" | "write" | "look" | "export" | "stored";

export interface Failure {
  readonly message: string;
  /** The message is none for people: they should report it. */
  readonly isBug: boolean;
}

export const failures = signal<Partial<Record<Place, Failure>>>({});

export function dismiss(place: Place): void {
  const { [place]: _, ...others } = failures.value;
  failures.value = others;
}

/** Shows what is wrong with what a person gave, found before it was tried. */
export function fail(place: Place, message: string): void {
  failures.value = { ...failures.value, [place]: { message, isBug: false } };
}

/** Does something that can fail. A failure is shown, and gives undefined; being called off is none. */
export async function attempt<T>(place: Place, action: () => Promise<T>): Promise<T | undefined> {
  dismiss(place);
  try {
    return await action();
  } catch (error) {
    if (error instanceof Error && error.name === "AbortError") return undefined;
    failures.value = { ...failures.value, [place]: { message: messageOf(error), isBug: !(error instanceof LlmError) } };
    return undefined;
  }
}
