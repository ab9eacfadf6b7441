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

/** A text field with more than this is slow. */
const longestPaste = 2_000_000;
/** Shorter texts are learnt by heart. */
const shortText = 2_000;

/** The text to learn from: the bundled one, a pasted one, or files, which can be dropped anywhere on the card. */
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
    // biome-ignore lint/a11y/noStaticElementInteractions: the button for files does the same without a mouse.
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
  const isLong = length > longestPaste;
  const isShort = length > 0 && length < shortText;
  return (
    <>
      <Field
        label={t.paste}
        hint={isShort ? t.pasteShort : t.pasteHint(longestPaste)}
        error={isLong ? t.pasteLong(longestPaste) : undefined}
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

/** What lies ready to be learnt, or how far its preparation is. */
function DataFacts() {
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
