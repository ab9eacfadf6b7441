import { TokenLoader } from "../data/loader.ts";
import type { Rank } from "../group/group.ts";
import type { RunChoices, TrainSettings } from "./settings.ts";

export interface Loaders {
  readonly train: TokenLoader;
  readonly val?: TokenLoader;
}

/**
 * Opens a run's token files for a member of its group; every problem with them is found here, but for tokens outside the
 * vocabulary `V`.
 */
export async function openLoaders(
  { train, val, headerless }: Pick<RunChoices, "val" | "headerless"> & { readonly train: string },
  { batch: B, block: T, order, dataSeed: seed, valEvery }: TrainSettings,
  V: number,
  group?: Rank,
): Promise<Loaders> {
  const options = { B, T, V, headerless, group };
  const loader = await TokenLoader.open(train, { ...options, order, seed });
  if (val === undefined || valEvery === 0) return { train: loader };
  try {
    // Always in file order: every validation sees the same tokens.
    return { train: loader, val: await TokenLoader.open(val, { ...options, split: "val" }) };
  } catch (error) {
    await loader.close();
    throw error;
  }
}

export async function closeLoaders({ train, val }: Loaders): Promise<void> {
  await Promise.all([train.close(), val?.close()]);
}
