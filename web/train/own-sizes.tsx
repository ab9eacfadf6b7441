import { NumberField } from "../parts/number-field.tsx";
import { change, own, settings } from "../tab/setup.ts";
import { text } from "./setup-text.ts";
import { multiplesAround } from "./sizes.ts";

/** Layers, heads, channels and block of a model of one's own. */
export function OwnSizes() {
  const t = text().model;
  const { L, NH, C } = own.value;
  const isCount = (value: number | undefined) => value === undefined || (Number.isInteger(value) && value > 0);
  const errorOf = (value: number | undefined) => (isCount(value) ? undefined : t.notWhole);
  const around = isCount(C) && isCount(NH) ? multiplesAround(C, NH) : undefined;
  const { block } = settings.value;
  return (
    <div class="fields">
      <NumberField
        label={t.layers}
        value={L}
        min={1}
        step={1}
        error={errorOf(L)}
        onChange={(next) => {
          own.value = { ...own.value, L: next };
        }}
      />
      <NumberField
        label={t.heads}
        value={NH}
        min={1}
        step={1}
        error={errorOf(NH)}
        onChange={(next) => {
          own.value = { ...own.value, NH: next };
        }}
      />
      <NumberField
        label={t.channels}
        value={C}
        min={1}
        step={1}
        error={errorOf(C) ?? (around && t.notDivisible(C, NH, around.below, around.above))}
        onChange={(next) => {
          own.value = { ...own.value, C: next };
        }}
      />
      <NumberField
        label={t.block}
        value={block ?? 64}
        min={1}
        step={1}
        error={errorOf(block)}
        onChange={(next) => change({ block: next })}
      />
    </div>
  );
}
