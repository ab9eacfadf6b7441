import { fits } from "../../src/train/setting-rules.ts";
import { trainOptions } from "../../src/train/settings.ts";
import { Card } from "../parts/card.tsx";
import { expected } from "../parts/expected.ts";
import { Field } from "../parts/field.tsx";
import { Icon } from "../parts/icon.tsx";
import { NumberField } from "../parts/number-field.tsx";
import { fixed, grouped } from "../parts/numbers.ts";
import { RangeField } from "../parts/range-field.tsx";
import { isReplacing } from "../store/actions.ts";
import { FailureNotice } from "../store/failure-notice.tsx";
import { model } from "../store/state.ts";
import {
  isWriting,
  options,
  prompt,
  result,
  setOptions,
  setPrompt,
  stopWriting,
  write,
  written,
} from "../store/writing.ts";
import { text } from "./run-text.ts";

/** A prompt, and its continuation by the loaded model. */
export function WriteCard() {
  const t = text().write;
  const loaded = model.value;
  if (loaded && loaded.tokenizer === undefined)
    return (
      <Card title={t.title}>
        <p class="hint">{t.noTokenizer}</p>
      </Card>
    );
  return (
    <Card title={t.title} class="write">
      <Field label={t.prompt}>
        {(attributes) => (
          <textarea
            {...attributes}
            rows={2}
            placeholder={t.placeholder}
            value={prompt.value}
            onInput={(event) => {
              setPrompt(event.currentTarget.value);
            }}
          />
        )}
      </Field>
      <RangeField
        label={t.temperature}
        value={options.value.temperature}
        shown={fixed(options.value.temperature, 2)}
        min={0}
        max={2}
        step={0.05}
        onChange={(temperature) => setOptions({ temperature })}
      />
      <SamplingOptions />
      <div class="buttons">
        <button
          type="button"
          class={isWriting.value ? "" : "primary"}
          disabled={!loaded || isReplacing.value || !fits(trainOptions.sampleSeed, options.value.seed)}
          onClick={() => (isWriting.value ? stopWriting() : void write())}
        >
          <Icon name={isWriting.value ? "stop" : "play"} /> {isWriting.value ? t.stop : t.write}
        </button>
        <Speed />
      </div>
      <FailureNotice place="write" title={t.failed} />
      <Output />
    </Card>
  );
}

function SamplingOptions() {
  const t = text().write;
  const { topK, topP, maxTokens, seed } = options.value;
  return (
    <details>
      <summary>{t.more}</summary>
      <div class="fields">
        <RangeField
          label={t.topK}
          value={topK}
          shown={topK === 0 ? t.all : grouped(topK)}
          min={0}
          max={200}
          step={1}
          onChange={(next) => setOptions({ topK: next })}
        />
        <RangeField
          label={t.topP}
          value={topP}
          shown={topP === 1 ? t.all : fixed(topP, 2)}
          min={0.05}
          max={1}
          step={0.05}
          onChange={(next) => setOptions({ topP: next })}
        />
        <RangeField
          label={t.length}
          value={maxTokens}
          shown={t.tokens(maxTokens)}
          min={20}
          max={2000}
          step={20}
          onChange={(next) => setOptions({ maxTokens: next })}
        />
        <NumberField
          label={t.seed}
          error={fits(trainOptions.sampleSeed, seed) ? undefined : expected()(trainOptions.sampleSeed)}
          value={seed}
          rule={trainOptions.sampleSeed}
          onChange={(next) => setOptions({ seed: next })}
        />
      </div>
    </details>
  );
}

/** Tokens and speed of the last text. */
function Speed() {
  const { tokens, ms } = result.value ?? {};
  return (
    <p class="hint" role="status">
      {tokens !== undefined &&
        ms !== undefined &&
        text().write.done(tokens, grouped((tokens / Math.max(1, ms)) * 1000))}
    </p>
  );
}

function Output() {
  const t = text().write;
  const shown = written.value;
  if (!shown) return <p class="waiting">{t.waiting}</p>;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls.
    <blockquote class="prose output" tabIndex={0} aria-label={t.output} aria-busy={isWriting.value}>
      <span class="prompt">{shown.prompt}</span>
      {shown.text}
    </blockquote>
  );
}
