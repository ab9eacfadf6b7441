import { useSignal } from "@preact/signals";
import type { TargetedKeyboardEvent } from "preact";
import { goal } from "../../src/learn/fast-exercise.ts";
import { exercises, sourceOf } from "../../src/learn/source.ts";
import type { Judgement } from "../../src/learn/verdict.ts";
import { Card } from "../parts/card.tsx";
import { Field } from "../parts/field.tsx";
import { Notice } from "../parts/notice.tsx";
import { FailureNotice } from "../store/failure-notice.tsx";
import { checkExercise, choose, edit, exercise, replaced, restart, result, solved, sources, undo } from "./progress.ts";
import { text } from "./text.ts";

/** The exercises of `llm-ts learn`, judged in the page. */
export function ExerciseCard() {
  const t = text().exercise;
  const id = exercise.value;
  const code = sources.value[id];
  const hints = exercises.find((one) => one.id === id)?.hints ?? [];
  const revealed = useSignal({ id, count: 0 });
  const count = revealed.value.id === id ? revealed.value.count : 0;
  const isUntouched = code === sourceOf(id, "ts");
  const found = result.value?.id === id ? result.value : undefined;
  const isJudging = result.value !== undefined && result.value.judgement === undefined;
  return (
    <Card
      title={t.title}
      class="lesson-exercise"
      tools={<span class="hint">{t.solved(solved.value.size, exercises.length)}</span>}
    >
      <p class="hint">{t.about}</p>
      <Field label={t.which}>
        {(attributes) => (
          <select {...attributes} value={id} onChange={(event) => choose(event.currentTarget.value)}>
            {exercises.map((one) => (
              <option key={one.id} value={one.id} lang="en">
                {`${solved.value.has(one.id) ? "✓" : "·"} ${one.id.slice(0, 2)} ${one.title}`}
              </option>
            ))}
          </select>
        )}
      </Field>
      <Field label={t.code} hint={t.codeHint}>
        {(attributes) => (
          <textarea
            {...attributes}
            class="mono code"
            lang="en"
            rows={20}
            spellcheck={false}
            autocapitalize="off"
            autocomplete="off"
            wrap="off"
            value={code}
            onInput={(event) => edit(id, event.currentTarget.value)}
            onKeyDown={(event) => onKey(event, id)}
          />
        )}
      </Field>
      <div class="lesson-buttons">
        <button type="button" class="primary" aria-disabled={isJudging} onClick={() => void checkExercise(id)}>
          {t.check}
        </button>
        <button
          type="button"
          disabled={count >= hints.length}
          onClick={() => (revealed.value = { id, count: count + 1 })}
        >
          {t.hint(count, hints.length)}
        </button>
        {replaced.value?.id === id && isUntouched ? (
          <button type="button" class="quiet" onClick={undo}>
            {t.undo}
          </button>
        ) : (
          <button type="button" class="quiet" disabled={isUntouched} onClick={() => restart(id)}>
            {t.restart}
          </button>
        )}
      </div>
      {count > 0 && (
        <ol class="hints" lang="en">
          {hints.slice(0, count).map((hint) => (
            <li key={hint}>{hint}</li>
          ))}
        </ol>
      )}
      <div role="status" class="verdict">
        {isJudging && t.judging}
        {found?.judgement && (
          <Verdict
            judgement={found.judgement}
            isCurrent={found.code === code}
            isUntouched={isUntouched && id !== "16-fast-matmul"}
          />
        )}
      </div>
      <FailureNotice place="exercise" title={t.failed} />
    </Card>
  );
}

function Verdict({
  judgement,
  isCurrent,
  isUntouched,
}: {
  judgement: Judgement;
  isCurrent: boolean;
  isUntouched: boolean;
}) {
  const t = text().exercise;
  if (judgement.state === "right")
    return (
      <p class="right">
        ✓ {t.right}{" "}
        {judgement.times !== undefined && t.times(judgement.times.toPrecision(2), goal, judgement.times >= goal)}
        {!isCurrent && ` ${t.changed}`}
      </p>
    );
  if (isUntouched) return <Notice>{t.untouched}</Notice>;
  const { what, where, likely } = judgement;
  return (
    <Notice kind="warn">
      <p lang="en">
        {where && `With ${where}: `}
        {what}
        {/[.?]$/.test(what) ? "" : "."}
      </p>
      {likely && (
        <p lang="en">
          <strong>Likely:</strong> {likely}.
        </p>
      )}
      {!isCurrent && <p>{t.changed}</p>}
    </Notice>
  );
}

/** Ctrl+Enter checks; Enter keeps the indentation. Tab leaves the field, as everywhere. */
function onKey(event: TargetedKeyboardEvent<HTMLTextAreaElement>, id: string): void {
  if (event.key !== "Enter" || event.isComposing) return;
  if (event.ctrlKey || event.metaKey) {
    event.preventDefault();
    void checkExercise(id);
    return;
  }
  const field = event.currentTarget;
  const line = field.value.slice(0, field.selectionStart).split("\n").at(-1) ?? "";
  const [indent] = /^ */.exec(line) ?? [""];
  if (indent === "") return;
  event.preventDefault();
  // It can be undone by the browser, which assigning a value cannot.
  if (!document.execCommand("insertText", false, `\n${indent}`)) field.setRangeText(`\n${indent}`);
}
