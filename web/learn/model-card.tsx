import type { TargetedKeyboardEvent } from "preact";
import { type LessonStep, mostParameters } from "../engine/lesson/protocol.ts";
import { arrowTarget } from "../parts/arrow-keys.ts";
import { Card } from "../parts/card.tsx";
import { Choice } from "../parts/choice.tsx";
import { Field } from "../parts/field.tsx";
import { Notice } from "../parts/notice.tsx";
import { fixed } from "../parts/numbers.ts";
import { FailureNotice } from "../store/failure-notice.tsx";
import { model } from "../store/state.ts";
import {
  busy,
  canCopyTab,
  chosenSource,
  isTabTooLarge,
  lessonText,
  makeStep,
  names,
  position,
  source,
  startOver,
  step,
  trained,
  trainOn,
  typed,
} from "./state.ts";
import { text } from "./text.ts";

const updates = 100;

/** The lesson's model, the text of its step, and the tokens of that text. */
export function ModelCard() {
  const t = text().model;
  const isBusy = busy.value !== undefined;
  const now = step.value;
  return (
    <Card title={t.title} class="lesson-model">
      <p class="hint">{t.about}</p>
      {canCopyTab.value && (
        <Choice
          label={t.source}
          values={{ tab: t.sources.tab(model.value?.name ?? ""), own: t.sources.own }}
          value={chosenSource.value}
          disabled={isBusy}
          onChange={(next) => (source.value = next)}
        />
      )}
      {isTabTooLarge.value && <Notice>{t.tooLarge(model.value?.name ?? "", mostParameters)}</Notice>}
      <Field label={t.text} hint={t.textHint}>
        {(attributes) => (
          <textarea
            {...attributes}
            class="mono"
            rows={2}
            spellcheck={false}
            value={lessonText.value}
            onInput={(event) => {
              typed.value = event.currentTarget.value;
            }}
            onKeyDown={(event) => {
              if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
              event.preventDefault();
              void makeStep();
            }}
          />
        )}
      </Field>
      <div class="lesson-buttons">
        <button type="button" class="primary" aria-disabled={isBusy} onClick={() => void makeStep()}>
          {t.step}
        </button>
        {chosenSource.value === "own" && (
          <>
            <button type="button" aria-disabled={isBusy} onClick={() => void trainOn(updates)}>
              {t.train(updates)}
            </button>
            <button type="button" class="quiet" aria-disabled={isBusy} onClick={() => void startOver()}>
              {t.startOver}
            </button>
          </>
        )}
      </div>
      <p role="status" class="lesson-status">
        {busy.value ? t.busy[busy.value] : now && <Summary step={now} />}
      </p>
      {now && now.cut > 0 && <Notice>{t.cut(now.losses.length + 1, now.cut)}</Notice>}
      <FailureNotice place="learn" title={t.failed} />
      {now && <TokenStrip step={now} />}
    </Card>
  );
}

function Summary({ step: { model, loss } }: { step: LessonStep }) {
  const t = text().model;
  const losses = trained.value;
  return (
    <>
      {t.sizes(model.name, model.L, model.NH, model.C, model.parameters)}{" "}
      {model.updates !== undefined && t.updates(model.updates)} {t.loss(fixed(loss, 3))}
      {losses.length > 0 && ` ${t.fell(fixed(losses[0], 3), fixed(losses[losses.length - 1], 3))}`}
    </>
  );
}

/** The tokens, shaded by their loss. One is selected: the pictures below mark its row, and its loss is asked. */
function TokenStrip({ step: { losses } }: { step: LessonStep }) {
  const t = text().model;
  const most = losses.reduce((a, b) => Math.max(a, b), 0);
  const onKeyDown = (event: TargetedKeyboardEvent<HTMLDivElement>) => {
    const target = arrowTarget(event.key, position.value, losses.length);
    if (target === undefined) return;
    event.preventDefault();
    position.value = target;
    event.currentTarget.querySelectorAll("button")[target].focus();
  };
  return (
    <>
      <p class="hint">{t.tokensHint}</p>
      <div class="token-strip" role="radiogroup" aria-label={t.tokens} onKeyDown={onKeyDown}>
        {Array.from(losses, (loss, i) => {
          const about = t.token(names.value[i], i, names.value[i + 1], fixed(loss, 2));
          return (
            // biome-ignore lint/a11y/useSemanticElements: tokens wrap like a text, and one of them is always selected.
            <button
              key={i}
              type="button"
              role="radio"
              class="token"
              aria-checked={i === position.value}
              aria-label={about}
              title={about}
              tabIndex={i === position.value ? 0 : -1}
              style={{ "--strength": loss / (most || 1) }}
              onClick={() => (position.value = i)}
            >
              {names.value[i]}
            </button>
          );
        })}
      </div>
    </>
  );
}
