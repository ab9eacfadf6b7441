import { Card } from "../parts/card.tsx";
import { Choice } from "../parts/choice.tsx";
import { input, modelEncodes, retokenize, tokenizer } from "../store/actions.ts";
import { data } from "../store/state.ts";
import { text } from "./setup-text.ts";

export function TokenizerCard() {
  const t = text().tokenizer;
  const current = data.value?.tokenizer;
  const isFromBefore = data.value !== undefined && input.value === undefined;
  // Token files cannot be tokenized again.
  const isFixed = isFromBefore || data.value?.hasOwnTokens === true;
  const shown = isFixed ? current : tokenizer.value;
  const { model: own, ...names } = t.names;
  return (
    <Card title={t.title}>
      <Choice
        label={t.label}
        values={modelEncodes.value ? { ...names, model: own } : names}
        value={shown === "unknown" || shown === "huggingface" ? undefined : shown}
        disabled={isFixed}
        onChange={(next) => void retokenize(next)}
      />
      <p class="hint">{t.about[shown ?? tokenizer.value]}</p>
      {isFromBefore && shown !== "unknown" && <p class="hint">{text().text.again}</p>}
    </Card>
  );
}
