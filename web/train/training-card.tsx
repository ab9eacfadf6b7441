import { signal } from "@preact/signals";
import { scheduleNames } from "../../src/train/schedule.ts";
import { Field } from "../parts/field.tsx";
import { change, changed, isValid, settings } from "../store/setup.ts";
import { SettingField } from "./setting-field.tsx";
import { text } from "./setup-text.ts";

/** Kept while a run's card replaces the form. */
const isOpen = signal(false);

/** Training settings, folded, since the defaults are good. */
export function TrainingCard() {
  const t = text().training;
  const { steps, batch, block } = settings.value;
  return (
    <details
      class="card"
      open={isOpen.value}
      onToggle={({ currentTarget }) => {
        isOpen.value = currentTarget.open;
      }}
    >
      <summary>
        <h2>{t.title}</h2>
        <span class="hint">{isValid.value && steps && batch && block && t.summary(steps, batch, block)}</span>
      </summary>
      <div class="fields">
        <SettingField name="steps" />
        <SettingField name="batch" />
        <SettingField name="learningRate" />
        <Schedule />
        <SettingField name="warmupSteps" />
        <SettingField name="weightDecay" />
        <SettingField name="gradClip" />
        <SettingField name="seed" />
        <SettingField name="valEvery" />
        <SettingField name="sampleEvery" />
        <SettingField name="sampleTokens" />
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
