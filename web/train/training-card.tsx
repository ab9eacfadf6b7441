import { scheduleNames } from "../../src/train/schedule.ts";
import { Field } from "../parts/field.tsx";
import { NumberField } from "../parts/number-field.tsx";
import type { Settings } from "../tab/presets.ts";
import { change, changed, settings } from "../tab/setup.ts";
import { text } from "./setup-text.ts";

type NumberName =
  | "steps"
  | "batch"
  | "lr"
  | "warmup"
  | "weightDecay"
  | "gradClip"
  | "valEvery"
  | "sampleEvery"
  | "sampleTokens";

/** How it is trained: folded away, since what is there is good. */
export function TrainingCard() {
  const t = text().training;
  const { steps, batch, block } = settings.value;
  return (
    <details class="card">
      <summary>
        <h2>{t.title}</h2>
        <span class="hint">{steps && batch && block && t.summary(steps, batch, block)}</span>
      </summary>
      <div class="fields">
        <Setting name="steps" step={1} min={1} />
        <Setting name="batch" step={1} min={1} />
        <Setting name="lr" min={0} />
        <Schedule />
        <Setting name="warmup" step={1} min={0} />
        <Setting name="weightDecay" min={0} />
        <Setting name="gradClip" min={0} hint={t.zeroNone} />
        <NumberField
          label={t.seed}
          value={changed.value.seed ?? 42}
          min={0}
          step={1}
          onChange={(seed) => change({ seed })}
        />
        <Setting name="valEvery" step={1} min={0} hint={t.zeroNever} />
        <Setting name="sampleEvery" step={1} min={0} hint={t.zeroNever} />
        <Setting name="sampleTokens" step={1} min={1} />
      </div>
      <button
        type="button"
        disabled={Object.keys(changed.value).length === 0}
        onClick={() => {
          changed.value = {};
        }}
      >
        {t.defaults}
      </button>
    </details>
  );
}

function Setting({ name, step, min, hint }: { name: NumberName; step?: number; min: number; hint?: string }) {
  return (
    <NumberField
      label={text().training[name]}
      value={settings.value[name] ?? 0}
      step={step}
      min={min}
      hint={hint}
      onChange={(value) => change({ [name]: value } satisfies Settings)}
    />
  );
}

function Schedule() {
  const t = text().training;
  return (
    <Field label={t.schedule}>
      {(attributes) => (
        <select
          {...attributes}
          value={settings.value.schedule}
          onChange={({ currentTarget }) =>
            change({ schedule: scheduleNames.find((name) => name === currentTarget.value) })
          }
        >
          {scheduleNames.map((name) => (
            <option key={name} value={name}>
              {t.schedules[name]}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}
