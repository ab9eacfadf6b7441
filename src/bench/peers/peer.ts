/** Programs that llm.ts is compared with, if they are there. */
import type { GPT2 } from "../../api/gpt2.ts";
import type { GPT2Config } from "../../model/config.ts";
import type { Contender } from "../contest.ts";
import type { Product } from "../products.ts";
import type { Peer } from "../report.ts";

export interface Competitor {
  /** What it is; `missing` when it cannot be had, and then `description` says why and what to do. */
  readonly peer: Peer;
  /** Someone to do a product with so many threads. */
  product?(product: Product, threads: number, leastMs: number): Contender;
  /** Someone to do a training step of such a model; undefined when it does not do this shape. */
  step?(config: GPT2Config, B: number, T: number): Contender | undefined;
  /** Gives memory for products back. */
  endProducts?(): void;
  dispose(): Promise<void>;
}

/** What a competitor may need to know, or to be lent. */
export interface Terms {
  readonly threads: number;
  /** The products that will be asked for. */
  readonly products: readonly Product[];
  /** The d12 model once it exists, to be written for a program that reads a checkpoint. */
  readonly d12: () => GPT2 | undefined;
  /** How many steps a program that is started anew for each round makes, after one that does not count. */
  readonly steps: number;
}

/** A competitor that is not there. */
export function missing(name: string, description: string): Competitor {
  return { peer: { name, description, missing: true }, async dispose() {} };
}
