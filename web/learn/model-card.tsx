import { type LessonStep, mostParameters } from "../engine/lesson/protocol.ts";
import { Card } from "../parts/card.tsx";
import { Choice } from "../parts/choice.tsx";
import { Notice } from "../parts/notice.tsx";
import { fixed } from "../parts/numbers.ts";
import { TextField } from "../parts/text-field.tsx";
import { TokenStrip } from "../parts/token-strip.tsx";
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
      <TextField
        label={t.text}
        hint={t.textHint}
        value={lessonText.value}
        onInput={(value) => {
          typed.value = value;
        }}
        onEnter={() => void makeStep()}
      />
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
      {now && <Tokens step={now} />}
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
function Tokens({ step: { losses } }: { step: LessonStep }) {
  const t = text().model;
  const most = losses.reduce((a, b) => Math.max(a, b), 0);
  const tokens = Array.from(losses, (loss, i) => ({
    label: names.value[i],
    about: t.token(names.value[i], i, names.value[i + 1], fixed(loss, 2)),
    strength: loss / (most || 1),
  }));
  return (
    <>
      <p class="hint">{t.tokensHint}</p>
      <TokenStrip label={t.tokens} tokens={tokens} position={position} />
    </>
  );
}
