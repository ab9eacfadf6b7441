import { UsageError } from "../../errors.ts";
import { llmc } from "./llmc.ts";
import { openblas } from "./openblas.ts";
import type { Competitor, Terms } from "./peer.ts";
import { torch } from "./torch.ts";

const makers = { openblas, llmc, torch } as const;

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
  for (const { name, path } of choices) competitors.push(await makers[name](path, terms));
  return competitors;
}
