/** What was seen, and what of it is chosen. */
import { batch, computed, signal } from "@preact/signals";
import type { Inspection } from "../../src/inspect/inspect.ts";
import type { LookResult } from "../engine/protocol.ts";
import { headOf, mostDecided } from "./attention.ts";
import { visible } from "./visible.ts";

export const result = signal<LookResult | undefined>();

/** The position whose token is chosen. */
export const position = signal(0);

/** Of the head that is chosen, both from 0. */
export const layer = signal(0);
export const head = signal(0);

/** What there is to draw, with a text for each position. */
export interface Seen extends Inspection {
  /** (T) the prompt's tokens as they can be seen. */
  readonly labels: readonly string[];
}

export const seen = computed<Seen | undefined>(() => {
  const inspection = result.value?.inspection;
  return inspection && { ...inspection, labels: Array.from(inspection.tokens, (id) => labelOf(inspection, id)) };
});

export function labelOf({ texts }: Pick<Inspection, "texts">, id: number): string {
  return visible(texts.get(id) ?? `#${id}`);
}

/** (T,T) of the chosen head. */
export const matrix = computed(() => (seen.value ? headOf(seen.value, layer.value, head.value) : new Float32Array()));

/**
 * Shows something new. The last token is chosen, since nobody knows what follows. The head stays, so that it can be compared;
 * in a model of another shape it is one that is worth looking at.
 */
export function show(next: LookResult): void {
  const { L, NH, tokens } = next.inspection;
  const before = result.value?.inspection;
  batch(() => {
    if (before?.L !== L || before.NH !== NH) {
      const chosen = mostDecided(next.inspection);
      layer.value = chosen.layer;
      head.value = chosen.head;
    }
    position.value = tokens.length - 1;
    result.value = next;
  });
}
