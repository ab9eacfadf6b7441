import { useSignal } from "@preact/signals";
import { useId } from "preact/hooks";
import { Card } from "../parts/card.tsx";
import { grouped } from "../parts/numbers.ts";
import { colourOf, selectedRuns } from "./state.ts";
import { Swatch } from "./swatch.tsx";
import { text } from "./text.ts";

/** Samples of the selected runs, side by side, up to the selected update; by default the newest. */
export function Samples() {
  const t = text();
  const id = useId();
  const chosen = useSignal<number | undefined>(undefined);
  const runs = selectedRuns.value.map(({ key, name, samples, version }) => ({
    key,
    name,
    samples,
    version: version.value,
  }));
  const steps = [...new Set(runs.flatMap(({ samples }) => samples.map(({ step }) => step)))].sort((a, b) => a - b);
  if (steps.length === 0)
    return (
      <Card title={t.samples}>
        <p class="hint">{t.noSamples}</p>
      </Card>
    );
  const at = steps.findLastIndex((step) => step <= (chosen.value ?? Infinity));
  const step = steps[Math.max(0, at)];
  const choose = (index: number) => {
    // At the end, follow the newest.
    chosen.value = index >= steps.length - 1 ? undefined : steps[index];
  };
  return (
    <Card title={t.samples}>
      <div class="sample-choice">
        <label for={id}>{t.sampleAfter}</label>
        <input
          id={id}
          type="range"
          min={0}
          max={steps.length - 1}
          value={Math.max(0, at)}
          aria-valuetext={t.sampleStep(grouped(step))}
          onInput={({ currentTarget }) => choose(currentTarget.valueAsNumber)}
        />
        <output for={id}>{t.sampleStep(grouped(step))}</output>
      </div>
      <div class="sample-texts">
        {runs.map(({ key, name, samples }) => {
          const sample = samples.findLast((one) => one.step <= step);
          return (
            <figure key={key}>
              <figcaption>
                <Swatch colour={colourOf(key)} />
                {sample ? t.sampleOf(name, grouped(sample.step)) : name}
              </figcaption>
              {sample ? <pre>{sample.text}</pre> : <p class="hint">{t.noSampleYet}</p>}
            </figure>
          );
        })}
      </div>
    </Card>
  );
}
