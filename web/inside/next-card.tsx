import { Card } from "../parts/card.tsx";
import { grouped, percent } from "../parts/numbers.ts";
import { labelOf, position, type Seen } from "./state.ts";
import { text } from "./text.ts";

interface Candidate {
  readonly token: number;
  readonly probability: number;
  readonly rank: number;
}

/** What the model expects behind the chosen token, and what really came. */
export function NextCard({ seen }: { seen: Seen }) {
  const t = text().next;
  const { next, tokens, labels } = seen;
  const { top } = next;
  const at = position.value;
  const came = at + 1 < tokens.length ? tokens[at + 1] : undefined;
  const candidates: Candidate[] = Array.from({ length: top }, (_, i) => ({
    token: next.tokens[at * top + i],
    probability: next.probabilities[at * top + i],
    rank: i + 1,
  }));
  if (came !== undefined && next.rank[at] > top)
    candidates.push({ token: came, probability: next.actual[at], rank: next.rank[at] });
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
          <li key={token} value={rank} class={token === came ? "came" : undefined}>
            <span class="rank">{grouped(rank)}</span>
            <span class="token mono">{labelOf(seen, token)}</span>
            <span class="bar" aria-hidden="true">
              <span style={{ "--share": probability }} />
            </span>
            <span class="share">{percent(probability, 1)}</span>
            {token === came && <span class="badge">{t.came}</span>}
          </li>
        ))}
      </ol>
      {came === undefined && <p class="hint">{t.nothingCame}</p>}
    </Card>
  );
}
