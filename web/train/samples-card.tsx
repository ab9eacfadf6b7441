import { Card } from "../parts/card.tsx";
import type { Sample } from "../store/progress.ts";
import { estimate } from "../store/setup.ts";
import { live, model } from "../store/state.ts";
import { text } from "./run-text.ts";

/** Samples of the run: the newest large, earlier ones below. */
export function SamplesCard() {
  const t = text().samples;
  const [newest, ...earlier] = live.value.progress.samples;
  return (
    <Card title={t.title} class="samples">
      {newest ? (
        <article>
          <p class="hint">{when(newest)}</p>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, also by keyboard. */}
          <blockquote key={newest.step} class="prose newest" tabIndex={0} aria-label={when(newest)}>
            {newest.text || t.empty}
          </blockquote>
        </article>
      ) : (
        <p class="waiting">{whyNone()}</p>
      )}
      {earlier.length > 0 && (
        <>
          <h3>{t.earlier}</h3>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls. */}
          <ol class="earlier" tabIndex={0} aria-label={t.list}>
            {earlier.map((sample) => (
              <li key={sample.step}>
                <p class="hint">{when(sample)}</p>
                <blockquote class="prose">{sample.text || t.empty}</blockquote>
              </li>
            ))}
          </ol>
        </>
      )}
    </Card>
  );
}

function when({ step, loss }: Sample): string {
  const t = text().samples;
  return t.newest(step, loss === undefined ? "" : t.loss(loss));
}

function whyNone(): string {
  const t = text().samples;
  if (model.value && model.value.tokenizer === undefined) return t.none;
  return estimate.value?.settings.sampleEvery === 0 ? t.off : t.waiting;
}
