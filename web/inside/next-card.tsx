import { Card } from "../parts/card.tsx";
import { grouped, percent } from "../parts/numbers.ts";
import { type LabelledInspection, labelOf, position } from "./state.ts";
import { text } from "./text.ts";

interface Candidate {
  readonly token: number;
  readonly probability: number;
  readonly rank: number;
}

/** Predictions after the selected token, and the actual next token. */
export function NextCard({ inspection }: { inspection: LabelledInspection }) {
  const t = text().next;
  const { next, tokens, labels } = inspection;
  const { top } = next;
  const at = position.value;
  const actual = at + 1 < tokens.length ? tokens[at + 1] : undefined;
  const candidates: Candidate[] = Array.from({ length: top }, (_, i) => ({
    token: next.tokens[at * top + i],
    probability: next.probabilities[at * top + i],
    rank: i + 1,
  }));
  if (actual !== undefined && next.rank[at] > top)
    candidates.push({ token: actual, probability: next.actual[at], rank: next.rank[at] });
  const before = labels.slice(Math.max(0, at - 15), at).join("");
  return (
    <Card title={t.title} class="inside-next">
      <p class="context mono">
        {at > 15 && "…"}
        {before}
        <mark>{labels[at]}</mark>
        <span class="cursor" aria-hidden="true" />
      </p>
      <ol class="candidates">
        {candidates.map(({ token, probability, rank }) => (
          <li key={token} value={rank} class={token === actual ? "actual" : undefined}>
            <span class="rank">{grouped(rank)}</span>
            <span class="token mono">{labelOf(inspection, token)}</span>
            <span class="bar" aria-hidden="true">
              <span style={{ "--share": probability }} />
            </span>
            <span class="share">{percent(probability, 1)}</span>
            {token === actual && <span class="badge">{t.actual}</span>}
          </li>
        ))}
      </ol>
      {actual === undefined && <p class="hint">{t.noActual}</p>}
    </Card>
  );
}
