import { TokenLoader } from "../data/loader.ts";
import { alone, type Rank } from "../group/group.ts";
import type { RunChoices, TrainSettings } from "./settings.ts";

export interface Loaders {
  readonly train: TokenLoader;
  readonly val?: TokenLoader;
}

/** Opens a run's token files; every problem with them is found here, but for tokens outside the vocabulary `V`. */
export async function openLoaders(
  { train, val, headerless }: Pick<RunChoices, "val" | "headerless"> & { readonly train: string },
  { batch: B, block: T, order, dataSeed: seed, valEvery }: TrainSettings,
  V: number,
  group: Rank = alone,
): Promise<Loaders> {
  const options = { B, T, V, headerless, group };
  const loader = await TokenLoader.open(train, { ...options, order, seed });
  if (val === undefined || valEvery === 0) return { train: loader };
  // Always in file order: every validation sees the same tokens.
  return { train: loader, val: await TokenLoader.open(val, { ...options, split: "val" }) };
}
