import { UsageError } from "../../errors.ts";
import { llmc } from "./llmc.ts";
import { openblas } from "./openblas.ts";
import type { Competitor, Terms } from "./peer.ts";
import { keepMemory, torch } from "./torch.ts";

type Maker = (name: string, path: string | undefined, terms: Terms) => Promise<Competitor>;

/** OpenBLAS's name for kernels of AVX2 and FMA: vectors of 256 bits, as ours. */
const avx2 = "Haswell";

const makers = {
  openblas: (name, path, terms) => openblas(name, path, undefined, terms),
  "openblas-avx2": (name, path, terms) => openblas(name, path, avx2, terms),
  llmc,
  torch: (name, path, terms) => torch(name, path, {}, terms),
  "torch-tuned": (name, path, terms) => torch(name, path, keepMemory, terms),
  "torch-avx2": (name, path, terms) => torch(name, path, { ...keepMemory, OPENBLAS_CORETYPE: avx2 }, terms),
} satisfies Record<string, Maker>;

type PeerName = keyof typeof makers;

function isPeer(name: string): name is PeerName {
  return Object.hasOwn(makers, name);
}

export interface PeerChoice {
  readonly name: PeerName;
  /** Where it is: a library, a program, a Python. */
  readonly path: string | undefined;
}

/** "llmc:PATH" as a choice. UsageError for a name that is unknown. */
export function parsePeer(text: string): PeerChoice {
  const [name, ...rest] = text.split(":");
  if (isPeer(name)) return { name, path: rest.length > 0 ? rest.join(":") : undefined };
  throw new UsageError(`There is no peer "${name}". Choose among: ${Object.keys(makers).join(", ")}.`);
}

export async function summon(choices: readonly PeerChoice[], terms: Terms): Promise<Competitor[]> {
  const competitors: Competitor[] = [];
  for (const { name, path } of choices) competitors.push(await makers[name](name, path, terms));
  return competitors;
}
