/**
 * Kernel variants: two builds of assembly/, each compiled with or without 256-bit vectors, and three sizes of GEMM tiles.
 * The fastest one depends on engine and processor.
 */
import { UsageError } from "../../errors.ts";

/** GEMM tiles, indexed as in assembly/gemm.ts. */
export const tiles = ["6x16", "6x8", "4x8"] as const;
export type Tile = (typeof tiles)[number];

/** A compiled module; it contains all tiles. */
export interface Code {
  /** Relaxed SIMD has a fused multiply-add; plain SIMD is supported everywhere. */
  readonly build: "relaxed" | "plain";
  /** Compiled with V8's revectorisation, which fuses 128-bit operations to 256-bit ones. */
  readonly simd256: boolean;
}

export interface Variant extends Code {
  readonly tile: Tile;
}

/** `relaxed-6x16-256`: relaxed SIMD, tiles of 6 rows and 16 columns, 256-bit vectors; `relaxed-6x16`: 128-bit ones. */
export type VariantName = `${Code["build"]}-${Tile}${"" | "-256"}`;

/**
 * By preference: the first is the fastest, the last the slowest (docs/LOG.md). Of the two between them, plain 256-bit SIMD
 * was faster, but a fused multiply-add gives the same bits as most machines.
 */
export const codes: readonly Code[] = [
  { build: "relaxed", simd256: true },
  { build: "relaxed", simd256: false },
  { build: "plain", simd256: true },
  { build: "plain", simd256: false },
];

export const variants: readonly Variant[] = codes.flatMap((code) => tiles.map((tile) => ({ ...code, tile })));

export function nameOf({ build, tile, simd256 }: Variant): VariantName {
  return `${build}-${tile}${simd256 ? "-256" : ""}`;
}

export const variantNames: readonly VariantName[] = variants.map(nameOf);

/** UsageError for an unknown name. */
export function variantOf(name: string): Variant {
  const variant = variants.find((variant) => nameOf(variant) === name);
  if (variant) return variant;
  throw new UsageError(`There is no kernel "${name}". Choose auto, or one of: ${variantNames.join(", ")}.`);
}
