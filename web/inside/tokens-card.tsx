import { Card } from "../parts/card.tsx";
import { percent } from "../parts/numbers.ts";
import { TokenStrip } from "../parts/token-strip.tsx";
import { strength } from "./heat-colours.ts";
import { type LabelledInspection, position } from "./state.ts";
import { text } from "./text.ts";

/** The prompt's tokens, each shaded by its predicted probability. One is selected; the other cards refer to it. */
export function TokensCard({ inspection: { labels, next } }: { inspection: LabelledInspection }) {
  const t = text().tokens;
  const tokens = labels.map((label, t0) => {
    // The previous position predicts this one.
    const expected = t0 > 0 ? next.actual[t0 - 1] : undefined;
    const about =
      expected === undefined ? t.first(label) : t.token(label, t0 + 1, percent(expected, 1), next.rank[t0 - 1]);
    return { label, about, strength: strength(expected ?? 0) };
  });
  return (
    <Card title={t.title(labels.length)} class="inside-tokens">
      <p class="hint">{t.hint}</p>
      <TokenStrip label={t.label} tokens={tokens} position={position} />
    </Card>
  );
}
