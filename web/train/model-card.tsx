import { useId } from "preact/hooks";
import { Card } from "../parts/card.tsx";
import { Notice } from "../parts/notice.tsx";
import { bytes, duration, grouped } from "../parts/numbers.ts";
import { FailureNotice, Message } from "../store/failure-notice.tsx";
import { ownFields } from "../store/fields.ts";
import { OpenModel } from "../store/open-model.tsx";
import { type PresetName, presetNames } from "../store/presets.ts";
import { change, estimate, isCurrent, preset, problem } from "../store/setup.ts";
import { model } from "../store/state.ts";
import { text as tabText } from "../store/text.ts";
import { ProcessorChoice } from "./processor-choice.tsx";
import { SettingField } from "./setting-field.tsx";
import { text } from "./setup-text.ts";

/** The choice of a model, and the resources it needs. */
export function ModelCard() {
  const t = text().model;
  const name = useId();
  return (
    <Card title={t.title}>
      <fieldset class="presets">
        <legend class="hidden">{t.label}</legend>
        {presetNames.map((one) => (
          <label key={one}>
            <input
              type="radio"
              name={name}
              checked={preset.value === one}
              disabled={one === "opened" && model.value === undefined}
              onChange={() => {
                preset.value = one;
              }}
            />
            <span>
              <b>{t.names[one]}</b> <span class="hint">{aboutOf(one)}</span>
            </span>
          </label>
        ))}
      </fieldset>
      {preset.value === "own" && <OwnSizes />}
      <OpenModel />
      <p class="hint">{t.openHint}</p>
      <FailureNotice place="open" title={tabText().openFailed} />
      <ProcessorChoice />
      <EstimateFacts />
    </Card>
  );
}

function aboutOf(name: PresetName): string {
  const { about } = text().model;
  if (name !== "opened") return about[name];
  return model.value ? about.opened(model.value.name) : about.notOpened;
}

/** Layers, heads, channels and block of a custom model. */
function OwnSizes() {
  return (
    <div class="fields">
      {ownFields.map((name) => (
        <SettingField key={name} name={name} />
      ))}
    </div>
  );
}

/** Estimated resources of the run, before anything is allocated. */
function EstimateFacts() {
  const t = text().estimate;
  const found = estimate.value;
  if (!found) return <Problem />;
  const { parameters, memory, memoryLimit, fits, msPerStep, msTotal, storage, storageFits } = found;
  const time = (ms: number) => (fits ? duration(ms) : t.unknown);
  return (
    <section class="estimate" aria-label={t.label} aria-busy={!isCurrent.value}>
      <dl class="facts">
        <div>
          <dt>{t.parameters}</dt>
          <dd>{grouped(parameters)}</dd>
        </div>
        <div>
          <dt>{t.step}</dt>
          <dd>{time(msPerStep)}</dd>
        </div>
        <div>
          <dt>{t.total}</dt>
          <dd>{time(msTotal)}</dd>
        </div>
        <div class="wide">
          <dt>{t.memory}</dt>
          <dd>{t.ofMemory(memory.total, memoryLimit)}</dd>
        </div>
      </dl>
      <MemoryBar />
      <Problem />
      {!storageFits && <Notice kind="warn">{t.noStorage(storage)}</Notice>}
    </section>
  );
}

const parts = ["weights", "optimizer", "activations", "sampling"] as const;

/** The parts of the memory needed, relative to the memory available. */
function MemoryBar() {
  const found = estimate.value;
  if (!found) return null;
  const t = text().estimate;
  const { memory, memoryLimit, fits } = found;
  const total = Math.max(memoryLimit ?? 0, memory.total);
  return (
    <>
      <div class={fits ? "memory-bar" : "memory-bar over"} aria-hidden="true">
        {parts.map((part) => (
          <span key={part} class={part} style={{ width: `${(memory[part] / total) * 100}%` }} />
        ))}
      </div>
      <ul class="memory-parts">
        {parts.map((part) => (
          <li key={part} class={part}>
            {t.parts[part]} {bytes(memory[part])}
          </li>
        ))}
      </ul>
    </>
  );
}

function Problem() {
  const t = text().estimate;
  if (problem.value === undefined) return null;
  const batch = estimate.value?.fittingBatch ?? 0;
  return (
    <Notice kind="bad">
      <p>
        <Message>{problem.value}</Message>
      </p>
      {batch > 0 && (
        <p>
          {t.fittingBatch(batch)}{" "}
          <button type="button" onClick={() => change({ batch })}>
            {t.useBatch}
          </button>
        </p>
      )}
    </Notice>
  );
}
