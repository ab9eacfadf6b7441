import { computed, signal } from "@preact/signals";
import type { TokenizerName } from "../engine/protocol.ts";
import { Card } from "../parts/card.tsx";
import { Choice } from "../parts/choice.tsx";
import { input, retokenize } from "../tab/actions.ts";
import { data } from "../tab/state.ts";
import { text } from "./setup-text.ts";

const chosen = signal<TokenizerName | undefined>();

/** The tokenizer for texts: as chosen, else that of the data that is there. */
export const tokenizer = computed<TokenizerName>(() => {
  const there = data.value?.tokenizer;
  return chosen.value ?? (there === undefined || there === "unknown" ? "char" : there);
});

export function TokenizerCard() {
  const t = text().tokenizer;
  const isUnknown = data.value?.tokenizer === "unknown";
  const isFromBefore = data.value !== undefined && input.value === undefined;
  return (
    <Card title={t.title}>
      <Choice
        label={t.label}
        values={t.names}
        value={tokenizer.value}
        disabled={isUnknown || isFromBefore}
        onChange={(next) => {
          chosen.value = next;
          void retokenize(next);
        }}
      />
      <p class="hint">{isUnknown ? t.about.unknown : t.about[tokenizer.value]}</p>
      {isFromBefore && !isUnknown && <p class="hint">{text().text.again}</p>}
    </Card>
  );
}
