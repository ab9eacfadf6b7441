import type { Backend } from "../backend/backend.ts";
import { createBackend } from "../backend/registry.ts";
import { requireSameBits } from "../group/alike.ts";
import { type Membership, oncePerMachine } from "./group.ts";
import type { BackendFlags } from "./options/backend.ts";

/** The backend of a member of a group. The first one on a machine measures the kernels, undisturbed, and caches the result. */
export async function startBackend(
  { backend: name, threads, revectorize, kernel, blas }: BackendFlags,
  member: Membership,
): Promise<Backend> {
  const { startProgress } = await import("./options/backend.ts");
  const onStart = member.group.rank === 0 ? startProgress() : undefined;
  const options = { threads: threads ?? member.threads, revectorize, kernel, blas, onStart };
  const backend = await oncePerMachine(member, () => createBackend(name, options));
  await requireSameBits(member.group, backend);
  return backend;
}
