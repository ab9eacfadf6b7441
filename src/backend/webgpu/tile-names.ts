/** Tiles of the matrix products, by the size of a workgroup's part of the result and, where there are two, of a thread's. */
export const tileNames = ["32x32", "64x64", "64x64-4x4", "128x64", "128x128"] as const;

export type TileName = (typeof tileNames)[number];
