/**
 * The kernels come in variants that compute the same: two builds of assembly/, each compiled with or without 256-bit
 * vectors, and three sizes of the matrix product's tiles. Which one is fastest depends on the engine and the processor.
 */
import { UsageError } from "../../errors.ts";

/** The tiles by their number in assembly/gemm.ts. */
export const tiles = ["6x16", "6x8", "4x8"] as const;
export type Tile = (typeof tiles)[number];

/** One compiled module, which has all tiles. */
export interface Code {
  /** Relaxed SIMD has a fused multiply-add; plain SIMD is known everywhere. */
  readonly build: "relaxed" | "plain";
  /** Compiled with V8's revectorisation, which fuses 128-bit operations to 256-bit ones. */
  readonly wide: boolean;
}

export interface Variant extends Code {
  readonly tile: Tile;
}

/** `relaxed-6x16-256`: relaxed SIMD, tiles of 6 rows and 16 columns, 256-bit vectors; `relaxed-6x16`: 128-bit ones. */
export type VariantName = `${Code["build"]}-${Tile}${"" | "-256"}`;

/**
 * Better ones first: the first is the fastest and the last the slowest (docs/LOG.md). Of the two between them plain SIMD of
 * 256 bits was the faster one, but a fused multiply-add gives the bits that a model has on most machines.
 */
export const codes: readonly Code[] = [
  { build: "relaxed", wide: true },
  { build: "relaxed", wide: false },
  { build: "plain", wide: true },
  { build: "plain", wide: false },
];

export const variants: readonly Variant[] = codes.flatMap((code) => tiles.map((tile) => ({ ...code, tile })));

export function nameOf({ build, tile, wide }: Variant): VariantName {
  return `${build}-${tile}${wide ? "-256" : ""}`;
}

export const variantNames: readonly VariantName[] = variants.map(nameOf);

/** UsageError for a name that no variant has. */
export function variantOf(name: string): Variant {
  const variant = variants.find((variant) => nameOf(variant) === name);
  if (variant) return variant;
  throw new UsageError(`There is no kernel "${name}". Choose auto, or one of: ${variantNames.join(", ")}.`);
}
