import { useId } from "preact/hooks";
import { Card } from "../parts/card.tsx";
import { FileButton } from "../parts/file-button.tsx";
import { openFiles } from "./actions.ts";
import { EstimateFacts } from "./estimate-facts.tsx";
import { FailureNotice } from "./failure-notice.tsx";
import { OwnSizes } from "./own-sizes.tsx";
import { type PresetName, presetNames } from "./presets.ts";
import { preset } from "./setup.ts";
import { text } from "./setup-text.ts";
import { model } from "./state.ts";

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
      <FileButton label={t.open} accept=".bin,.safetensors,.json" onFiles={(files) => void openFiles(files)} />
      <p class="hint">{t.openHint}</p>
      <FailureNotice place="open" title={t.openFailed} />
      <EstimateFacts />
    </Card>
  );
}

function aboutOf(name: PresetName): string {
  const { about } = text().model;
  if (name !== "opened") return about[name];
  return model.value ? about.opened(model.value.name) : about.notOpened;
}
