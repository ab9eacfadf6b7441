import { useId } from "preact/hooks";
import { Card } from "../parts/card.tsx";
import { FailureNotice } from "../store/failure-notice.tsx";
import { OpenModel } from "../store/open-model.tsx";
import { type PresetName, presetNames } from "../store/presets.ts";
import { preset } from "../store/setup.ts";
import { model } from "../store/state.ts";
import { text as tabText } from "../store/text.ts";
import { EstimateFacts } from "./estimate-facts.tsx";
import { OwnSizes } from "./own-sizes.tsx";
import { text } from "./setup-text.ts";

/** Which model, and what it takes. */
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
      <EstimateFacts />
    </Card>
  );
}

function aboutOf(name: PresetName): string {
  const { about } = text().model;
  if (name !== "opened") return about[name];
  return model.value ? about.opened(model.value.name) : about.notOpened;
}
