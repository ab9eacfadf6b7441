import type { DataSummary } from "../engine/protocol.ts";
import { bytes, grouped, percent } from "../parts/numbers.ts";
import { cancelPrepare } from "../store/actions.ts";
import { activity, data } from "../store/state.ts";
import { text } from "./setup-text.ts";

/** What lies ready to be learnt, or how far its preparation is. */
export function DataFacts() {
  const t = text().text;
  const doing = activity.value?.what === "preparing" ? activity.value : undefined;
  if (doing)
    return (
      <div class="preparing">
        <progress value={doing.share} aria-label={t.preparing} />
        <p class="hint">
          {t.preparing} {doing.share !== undefined && percent(doing.share)}
        </p>
        <button type="button" class="quiet" onClick={cancelPrepare}>
          {t.cancel}
        </button>
      </div>
    );
  const there = data.value;
  if (!there) return null;
  return (
    <>
      <dl class="facts">
        <div class="wide">
          <dt class="hidden">{t.label}</dt>
          <dd>
            <strong>{nameOf(there)}</strong>
          </dd>
        </div>
        <Fact name={t.size} value={bytes(there.bytes)} />
        <Fact name={t.tokens} value={grouped(there.trainTokens + there.valTokens)} />
        <Fact name={t.vocabulary} value={grouped(there.vocabSize)} />
      </dl>
      {there.valTokens === 0 && <p class="hint">{t.noVal}</p>}
      {there.preview && (
        <figure>
          <figcaption class="hidden">{t.preview}</figcaption>
          <blockquote class="prose preview">{there.preview}</blockquote>
        </figure>
      )}
    </>
  );
}

/** For people: as data is called in their language. */
export function nameOf({ kind, name }: DataSummary): string {
  const { names } = text().text;
  return kind === "files" ? name : names[kind];
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}
