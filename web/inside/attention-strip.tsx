import { percent } from "../parts/numbers.ts";
import { strongest } from "./attention.ts";
import { strength } from "./heat-colours.ts";
import { matrix, position, type Seen } from "./state.ts";
import { text } from "./text.ts";

/** The text up to the chosen token, shaded by how much the chosen head looks at each, and the strongest in words. */
export function AttentionStrip({ seen: { labels } }: { seen: Seen }) {
  const t = text().attention;
  const query = position.value;
  const row = matrix.value.subarray(query * labels.length, query * labels.length + query + 1);
  const most = strongest(matrix.value, query, 3).map(({ key, share }) => t.look(labels[key], percent(share)));
  return (
    <div class="attention-strip">
      <h3>{t.from(labels[query])}</h3>
      <p class="looked-at mono" aria-hidden="true">
        {Array.from(row, (share, key) => (
          <span
            key={key}
            class={key === query ? "token is-query" : "token"}
            title={percent(share, 1)}
            style={{ "--strength": strength(share) }}
          >
            {labels[key]}
          </span>
        ))}
      </p>
      <p>{t.most(most)}</p>
    </div>
  );
}
