import { percent } from "../parts/numbers.ts";
import { strength } from "./heat-colours.ts";

/** A candidate in a table, shaded by its probability. */
export function LensCell({ label, share, came }: { label: string; share: number; came: boolean }) {
  return (
    <td class={came ? "lens came" : "lens"} style={{ "--strength": strength(share) }}>
      <span class="mono">{label}</span>
      <small>{percent(share)}</small>
    </td>
  );
}
