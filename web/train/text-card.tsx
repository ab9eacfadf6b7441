import { useSignal } from "@preact/signals";
import type { DataSummary } from "../engine/protocol.ts";
import { Card } from "../parts/card.tsx";
import { Choice } from "../parts/choice.tsx";
import { Field } from "../parts/field.tsx";
import { FileButton } from "../parts/file-button.tsx";
import { bytes, grouped, percent } from "../parts/numbers.ts";
import { cancelPrepare, prepare, tokenizer } from "../store/actions.ts";
import { FailureNotice } from "../store/failure-notice.tsx";
import { fail } from "../store/failures.ts";
import { activity, data, device } from "../store/state.ts";
import { storableTextBytes, tooLarge } from "../store/storage-space.ts";
import { text } from "./setup-text.ts";

type Kind = "shakespeare" | "text" | "files";

/** Most characters: text fields are slow with more. */
const maxPaste = 2_000_000;
/** Characters below which a model memorizes the text. */
const shortText = 2_000;

/** The training text: the bundled one, a pasted one, or files, which can be dropped anywhere on the card. */
export function TextCard() {
  const kind = useSignal<Kind>(data.value?.kind ?? "shakespeare");
  const isOver = useSignal(false);
  const t = text().text;
  const useFiles = (files: readonly File[]) => {
    kind.value = "files";
    const large = tooLarge(files, device.value?.storage);
    if (large) fail("data", t.tooLarge(large.name, large.bytes, large.most));
    else if (files.length > 0) void prepare({ kind: "files", files, tokenizer: tokenizer.value });
  };
  const choose = (next: Kind) => {
    kind.value = next;
    if (next === "shakespeare") void prepare({ kind: "shakespeare", tokenizer: tokenizer.value });
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the button for files does the same by keyboard.
    <div
      class={isOver.value ? "drop over" : "drop"}
      onDragOver={(event) => {
        event.preventDefault();
        isOver.value = true;
      }}
      onDragLeave={() => {
        isOver.value = false;
      }}
      onDrop={(event) => {
        event.preventDefault();
        isOver.value = false;
        useFiles([...(event.dataTransfer?.files ?? [])]);
      }}
    >
      <Card title={t.title}>
        <Choice label={t.label} values={t.kinds} value={kind.value} onChange={choose} />
        {kind.value === "shakespeare" && <p class="hint">{t.shakespeare}</p>}
        {kind.value === "text" && <Paste />}
        {kind.value === "files" && <Files onFiles={useFiles} />}
        <FailureNotice place="data" title={t.failed} />
        <DataFacts />
        {isOver.value && <p class="drop-here">{t.dropHere}</p>}
      </Card>
    </div>
  );
}

function Paste() {
  const pasted = useSignal("");
  const t = text().text;
  const { length } = pasted.value;
  const isLong = length > maxPaste;
  const isShort = length > 0 && length < shortText;
  return (
    <>
      <Field
        label={t.paste}
        hint={isShort ? t.pasteShort : t.pasteHint(maxPaste)}
        error={isLong ? t.pasteLong(maxPaste) : undefined}
      >
        {(attributes) => (
          <textarea
            {...attributes}
            value={pasted.value}
            spellcheck={false}
            onInput={(event) => {
              pasted.value = event.currentTarget.value;
            }}
          />
        )}
      </Field>
      <button
        type="button"
        disabled={isLong || length === 0}
        onClick={() => void prepare({ kind: "text", text: pasted.value, tokenizer: tokenizer.value })}
      >
        {t.use}
      </button>
    </>
  );
}

function Files({ onFiles }: { onFiles: (files: readonly File[]) => void }) {
  const t = text().text;
  return (
    <div class="drop-zone">
      <p>{t.drop}</p>
      <FileButton label={t.chooseFiles} onFiles={onFiles} />
      <p class="hint">{t.filesHint(device.value?.maxTextBytes, storableTextBytes(device.value?.storage))}</p>
    </div>
  );
}

/** Summary of the prepared data, or the progress of its preparation. */
function DataFacts() {
  const t = text().text;
  const preparing = activity.value?.what === "preparing" ? activity.value : undefined;
  if (preparing)
    return (
      <div class="preparing">
        <progress value={preparing.share} aria-label={t.preparing} />
        <p class="hint">
          {t.preparing} {preparing.share !== undefined && percent(preparing.share)}
        </p>
        <button type="button" class="quiet" onClick={cancelPrepare}>
          {t.cancel}
        </button>
      </div>
    );
  const summary = data.value;
  if (!summary) return null;
  return (
    <>
      <dl class="facts">
        <div class="wide">
          <dt class="hidden">{t.label}</dt>
          <dd>
            <strong>{nameOf(summary)}</strong>
          </dd>
        </div>
        <Fact name={t.size} value={bytes(summary.bytes)} />
        <Fact name={t.tokens} value={grouped(summary.trainTokens + summary.valTokens)} />
        <Fact name={t.vocabulary} value={grouped(summary.vocabSize)} />
      </dl>
      {summary.valTokens === 0 && <p class="hint">{t.noVal}</p>}
      {summary.preview && (
        <figure>
          <figcaption class="hidden">{t.preview}</figcaption>
          <blockquote class="prose preview">{summary.preview}</blockquote>
        </figure>
      )}
    </>
  );
}

/** The data's name in the page's language. */
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
