import { useId } from "preact/hooks";
import { Card } from "../parts/card.tsx";
import { Field } from "../parts/field.tsx";
import { Notice } from "../parts/notice.tsx";
import { FailureNotice } from "../store/failure-notice.tsx";
import { model } from "../store/state.ts";
import { cancelLook, learnedSince, look, prompt, share, typed } from "./look.ts";
import { result } from "./state.ts";
import { text } from "./text.ts";

/** What to look at, and the button that does it. */
export function PromptCard() {
  const t = text().prompt;
  const id = useId();
  const isLooking = share.value !== undefined;
  const cut = result.value?.inspection.cut ?? 0;
  const isMute = model.value !== undefined && model.value.tokenizer === undefined;
  return (
    <Card title={t.title} class="inside-prompt" tools={<SeenIn />}>
      <div class="prompt-row">
        <Field label={t.label} hint={t.hint}>
          {(attributes) => (
            <textarea
              {...attributes}
              class="mono"
              rows={2}
              spellcheck={false}
              disabled={isMute}
              value={prompt.value}
              onInput={(event) => {
                typed.value = event.currentTarget.value;
              }}
              onKeyDown={(event) => {
                if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
                event.preventDefault();
                void look();
              }}
            />
          )}
        </Field>
        {isLooking ? (
          <button type="button" onClick={cancelLook}>
            {t.cancel}
          </button>
        ) : (
          <button type="button" class="primary" disabled={isMute} onClick={() => void look()}>
            {t.look}
          </button>
        )}
      </div>
      {isLooking && (
        <div class="looking">
          <label for={id}>{t.looking}</label>
          <progress id={id} value={share.value} />
        </div>
      )}
      {isMute && <Notice kind="warn">{t.noTokenizer}</Notice>}
      {cut > 0 && <Notice>{t.cut(cut, result.value?.inspection.tokens.length ?? 0)}</Notice>}
      <FailureNotice place="look" title={t.failed} />
    </Card>
  );
}

/** Which model was looked into, and whether it has learned since. */
function SeenIn() {
  const t = text().prompt;
  const seen = result.value?.model;
  if (!seen) return null;
  return (
    <p class="seen-in">
      <span role="status">{t.seenIn(seen.name, seen.step)}</span>
      {learnedSince.value > 0 && <strong>{t.learnedSince(learnedSince.value)}</strong>}
    </p>
  );
}
