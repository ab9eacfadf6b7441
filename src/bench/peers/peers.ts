import { UsageError } from "../../errors.ts";
import { jax } from "./jax.ts";
import { llmc } from "./llmc.ts";
import { avx2Kernels, openblas } from "./openblas.ts";
import type { PeerContext, PeerProgram } from "./peer.ts";
import { keepMemory, torch, vectorsOf256 } from "./torch.ts";

type Maker = (name: string, path: string | undefined, context: PeerContext) => Promise<PeerProgram>;

const makers = {
  openblas: (name, path, context) => openblas(name, path, undefined, context),
  "openblas-avx2": (name, path, context) => openblas(name, path, avx2Kernels, context),
  llmc,
  jax: (name) => jax(name),
  torch: (name, path, context) => torch(name, path, {}, context),
  "torch-tuned": (name, path, context) => torch(name, path, keepMemory, context),
  "torch-gpu": (name, path, context) => torch(name, path, {}, context, "gpu"),
  "torch-avx2": (name, path, context) => torch(name, path, { ...keepMemory, ...vectorsOf256 }, context),
} satisfies Record<string, Maker>;

type PeerName = keyof typeof makers;

function isPeer(name: string): name is PeerName {
  return Object.hasOwn(makers, name);
}

export interface PeerChoice {
  readonly name: PeerName;
  /** Path of a library, a program or a Python. */
  readonly path: string | undefined;
}

/** Parses "llmc:PATH". UsageError for an unknown name. */
export function parsePeer(text: string): PeerChoice {
  const [name, ...rest] = text.split(":");
  if (isPeer(name)) return { name, path: rest.length > 0 ? rest.join(":") : undefined };
  throw new UsageError(`There is no peer "${name}". Choose among: ${Object.keys(makers).join(", ")}.`);
}

export async function startPeers(choices: readonly PeerChoice[], context: PeerContext): Promise<PeerProgram[]> {
  const peerPrograms: PeerProgram[] = [];
  for (const { name, path } of choices) peerPrograms.push(await makers[name](name, path, context));
  return peerPrograms;
}
