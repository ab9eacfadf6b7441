/** Tiles of the matmuls, by the size of a workgroup's part of the result and, where there are two, of a thread's. */
export const tileNames = ["32x32", "64x64", "64x64-4x4", "128x64", "128x128"] as const;

/**
 * Tiles that need a feature of the adapter, taken only where they are chosen by name: the operands rounded to float16 in
 * workgroup memory, and subgroup matrices of float16 or float32.
 */
export const optionalTileNames = ["64x64-f16", "matrix-f16", "matrix-f32"] as const;

export const allTileNames = [...tileNames, ...optionalTileNames] as const;

export type OptionalTileName = (typeof optionalTileNames)[number];
export type MatrixTileName = Extract<OptionalTileName, `matrix-${string}`>;
export type TileName = (typeof allTileNames)[number];

export const isOptional = (name: TileName): name is OptionalTileName =>
  optionalTileNames.some((optional) => optional === name);

export const isMatrix = (name: TileName): name is MatrixTileName => name.startsWith("matrix-");

/** True for tiles that round the operands of matmuls to float16. */
export const isHalf = (name: TileName | undefined): boolean => name?.endsWith("f16") ?? false;
