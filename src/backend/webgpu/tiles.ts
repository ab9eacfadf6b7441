/** Which tile computes a product: by its form and the size of its result. */
import type { TileName } from "./tile-names.ts";

/** Forms of a product in a training step: its forward, and the gradients of the input and of the weight. */
export const forms = ["forward", "input", "weight"] as const;
export type Form = (typeof forms)[number];

export const sizes = ["small", "medium", "large"] as const;
export type Size = (typeof sizes)[number];

/** The size class of a result (M,N), by how many tiles of 64x64 it has: small ones do not occupy a GPU. */
export function sizeOfResult(M: number, N: number): Size {
  const tiles = Math.ceil(M / 64) * Math.ceil(N / 64);
  if (tiles < 64) return "small";
  return tiles < 512 ? "medium" : "large";
}

/** A tile for each form and size. */
export type TileChoice = Readonly<Record<Form, Readonly<Record<Size, TileName>>>>;

const bySize = { small: "32x32", medium: "64x64", large: "64x64" } as const;
/** Tiles of an adapter on which none were timed. */
export const usualTiles: TileChoice = { forward: bySize, input: bySize, weight: bySize };

/** A choice as one line, and back; undefined for anything else. */
export function choiceAsText(choice: TileChoice): string {
  return forms.flatMap((form) => sizes.map((size) => choice[form][size])).join(" ");
}

export function choiceFrom(text: string, names: readonly TileName[]): TileChoice | undefined {
  const found = text.split(" ").map((word) => names.find((name) => name === word));
  const known = found.filter((name) => name !== undefined);
  if (known.length !== forms.length * sizes.length || known.length !== found.length) return undefined;
  const of = (form: number) => ({ small: known[3 * form], medium: known[3 * form + 1], large: known[3 * form + 2] });
  return { forward: of(0), input: of(1), weight: of(2) };
}
