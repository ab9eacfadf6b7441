import { useId } from "preact/hooks";
import { Card } from "../parts/card.tsx";
import { Notice } from "../parts/notice.tsx";
import { TextField } from "../parts/text-field.tsx";
import { FailureNotice } from "../store/failure-notice.tsx";
import { model } from "../store/state.ts";
import { cancelLook, look, prompt, share, typed, updatesSince } from "./look.ts";
import { result } from "./state.ts";
import { text } from "./text.ts";

/** The prompt, and the button that inspects the model. */
export function PromptCard() {
  const t = text().prompt;
  const id = useId();
  const isLooking = share.value !== undefined;
  const cut = result.value?.inspection.cut ?? 0;
  const hasNoTokenizer = model.value !== undefined && model.value.tokenizer === undefined;
  return (
    <Card title={t.title} class="inside-prompt" tools={<InspectedModel />}>
      <div class="prompt-row">
        <TextField
          label={t.label}
          hint={t.hint}
          disabled={hasNoTokenizer}
          value={prompt.value}
          onInput={(value) => {
            typed.value = value;
          }}
          onEnter={() => void look()}
        />
        {isLooking ? (
          <button type="button" onClick={cancelLook}>
            {t.cancel}
          </button>
        ) : (
          <button type="button" class="primary" disabled={hasNoTokenizer} onClick={() => void look()}>
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
      {hasNoTokenizer && <Notice kind="warn">{t.noTokenizer}</Notice>}
      {cut > 0 && <Notice>{t.cut(cut, result.value?.inspection.tokens.length ?? 0)}</Notice>}
      <FailureNotice place="look" title={t.failed} />
    </Card>
  );
}

/** The inspected model, and its updates since. */
function InspectedModel() {
  const t = text().prompt;
  const inspected = result.value?.model;
  if (!inspected) return null;
  return (
    <p class="inspected-model">
      <span role="status">{t.inspected(inspected.name, inspected.step)}</span>
      {updatesSince.value > 0 && <strong>{t.updatesSince(updatesSince.value)}</strong>}
    </p>
  );
}
