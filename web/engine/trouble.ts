import { LlmError } from "../../src/errors.ts";

export const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

/** Whether an error is none for people: only LlmErrors are. */
export const isBug = (error: unknown) => !(error instanceof LlmError);
