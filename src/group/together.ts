/** Failing together: where one member of a group cannot do something, no other waits for it for ever. */
import { LlmError, UsageError } from "../errors.ts";
import type { Group } from "./group.ts";

/** The same in all members of a group: to be reported once. */
export class AgreedError extends LlmError {
  override name = "AgreedError";
  /** True if each member's error is one of usage. */
  readonly isUsage: boolean;

  constructor(message: string, isUsage: boolean) {
    super(message);
    this.isUsage = isUsage;
  }
}

interface Failure {
  readonly message: string;
  readonly isUsage: boolean;
  readonly host: string;
}

/**
 * Does something in every member and waits for all. Where an LlmError prevents it in some, all throw an AgreedError that says
 * which; alone, the error itself.
 */
export async function together<R>(group: Group, work: () => Promise<R>): Promise<R> {
  if (group.size === 1) return work();
  const own = await settled(work);
  const failures = await group.gather("problem" in own ? failureOf(own.problem, group.host) : null);
  if ("result" in own && failures.every((failure) => failure === null)) return own.result;
  throw agreedError(failures);
}

/** Does something in rank 0, and gives the result, plain data, to all; an error of rank 0 is thrown in all. */
export async function inRank0<V>(group: Group, work: () => Promise<V>): Promise<V> {
  const own = await together(group, async () => (group.rank === 0 ? work() : undefined));
  return group.broadcast(own as V);
}

async function settled<R>(work: () => Promise<R>): Promise<{ result: R } | { problem: LlmError }> {
  try {
    return { result: await work() };
  } catch (error) {
    if (!(error instanceof LlmError)) throw error;
    return { problem: error };
  }
}

function failureOf(error: LlmError, host: string): Failure {
  return { message: error.message, isUsage: error instanceof UsageError, host };
}

function agreedError(failures: readonly (Failure | null)[]): AgreedError {
  const size = failures.length;
  const found = failures.flatMap((failure, rank) => (failure ? [{ rank, ...failure }] : []));
  const isUsage = found.every((failure) => failure.isUsage);
  const isSame = found.length === size && found.every(({ message }) => message === found[0].message);
  if (isSame) return new AgreedError(found[0].message, isUsage);
  return new AgreedError(found.map((one) => `${placeOf(one, size)} ${one.message}`).join("\n"), isUsage);
}

/** A member of a group, in front of what it says: "[rank 3 of 8 on mars]". */
export function placeOf({ rank, host }: { readonly rank: number; readonly host: string }, size: number): string {
  return `[rank ${rank} of ${size}${host && ` on ${host}`}]`;
}
