/** State of the Look inside view: the inspection, and the selected position and head. */
import { batch, computed, signal } from "@preact/signals";
import type { Inspection } from "../../src/inspect/inspect.ts";
import type { LookResult } from "../engine/protocol.ts";
import { visible } from "../parts/visible.ts";
import { headOf, mostConcentrated } from "./attention.ts";

export const result = signal<LookResult | undefined>();

/** Position of the selected token. */
export const position = signal(0);

/** The selected head, both from 0. */
export const layer = signal(0);
export const head = signal(0);

/** The inspection, with a label for each position. */
export interface LabelledInspection extends Inspection {
  /** (T) the prompt's tokens with visible white space. */
  readonly labels: readonly string[];
}

export const inspection = computed<LabelledInspection | undefined>(() => {
  const found = result.value?.inspection;
  return found && { ...found, labels: Array.from(found.tokens, (id) => labelOf(found, id)) };
});

export function labelOf({ texts }: Pick<Inspection, "texts">, id: number): string {
  return visible(texts.get(id) ?? `#${id}`);
}

/** (T,T) attention of the selected head. */
export const matrix = computed(() =>
  inspection.value ? headOf(inspection.value, layer.value, head.value) : new Float32Array(),
);

/**
 * Shows a new inspection, with the last token selected, whose next one is unknown. The selected head stays, to be compared; in
 * a model of another shape, the head with the most concentrated attention is selected.
 */
export function show(next: LookResult): void {
  const { L, NH, tokens } = next.inspection;
  const before = result.value?.inspection;
  batch(() => {
    if (before?.L !== L || before.NH !== NH) {
      const found = mostConcentrated(next.inspection);
      layer.value = found.layer;
      head.value = found.head;
    }
    position.value = tokens.length - 1;
    result.value = next;
  });
}
