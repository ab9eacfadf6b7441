/** Failures by the place where they are shown, until the action is tried again or the failure dismissed. */
import { signal } from "@preact/signals";
import { LlmError, messageOf } from "../../src/errors.ts";

/** Place of a message: beside the control of the action. */
export type Place =
  | "device"
  | "backend"
  | "data"
  | "run"
  | "open"
  | "write"
  | "chat"
  | "look"
  | "learn"
  | "exercise"
  | "export"
  | "stored";

interface Failure {
  readonly message: string;
  /** An unexpected error, which users should report. */
  readonly isBug: boolean;
}

export const failures = signal<Partial<Record<Place, Failure>>>({});

export function dismiss(place: Place): void {
  const { [place]: _, ...others } = failures.value;
  failures.value = others;
}

/** Shows a failure of the user's input that was found before the action. */
export function fail(place: Place, message: string): void {
  failures.value = { ...failures.value, [place]: { message, isBug: false } };
}

/** Runs an action. If it fails, shows the failure and resolves to undefined; an AbortError is no failure. */
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
