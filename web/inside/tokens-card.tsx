import type { TargetedKeyboardEvent } from "preact";
import { arrowTarget } from "../parts/arrow-keys.ts";
import { Card } from "../parts/card.tsx";
import { percent } from "../parts/numbers.ts";
import { strength } from "./heat-colours.ts";
import { type LabelledInspection, position } from "./state.ts";
import { text } from "./text.ts";

/** The prompt's tokens, each shaded by its predicted probability. One is selected; the other cards refer to it. */
export function TokensCard({ inspection: { labels, next } }: { inspection: LabelledInspection }) {
  const t = text().tokens;
  const onKeyDown = (event: TargetedKeyboardEvent<HTMLDivElement>) => {
    const target = arrowTarget(event.key, position.value, labels.length);
    if (target === undefined) return;
    event.preventDefault();
    position.value = target;
    event.currentTarget.querySelectorAll("button")[target].focus();
  };
  return (
    <Card title={t.title(labels.length)} class="inside-tokens">
      <p class="hint">{t.hint}</p>
      <div class="token-strip" role="radiogroup" aria-label={t.label} onKeyDown={onKeyDown}>
        {labels.map((label, t0) => {
          // The previous position predicts this one.
          const expected = t0 > 0 ? next.actual[t0 - 1] : undefined;
          const about =
            expected === undefined ? t.first(label) : t.token(label, t0 + 1, percent(expected, 1), next.rank[t0 - 1]);
          return (
            // biome-ignore lint/a11y/useSemanticElements: tokens wrap like a text, and one of them is always selected.
            <button
              key={t0}
              type="button"
              role="radio"
              class="token"
              aria-checked={t0 === position.value}
              aria-label={about}
              title={about}
              tabIndex={t0 === position.value ? 0 : -1}
              style={{ "--strength": strength(expected ?? 0) }}
              onClick={() => {
                position.value = t0;
              }}
            >
              {label}
            </button>
          );
        })}
      </div>
    </Card>
  );
}
