import { useSignal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import { Icon } from "../parts/icon.tsx";
import { deleteRun } from "../store/actions.ts";
import { text } from "./live-text.ts";

/** Deletes a run, when that was confirmed. */
export function DeleteRun({ name }: { name: string }) {
  const isAsking = useSignal(false);
  const keep = useRef<HTMLButtonElement>(null);
  const ask = useRef<HTMLButtonElement>(null);
  const wasAsking = useRef(false);
  const t = text().stored;

  // The keyboard stays where the question is.
  useLayoutEffect(() => {
    if (isAsking.value) keep.current?.focus();
    else if (wasAsking.current) ask.current?.focus();
    wasAsking.current = isAsking.value;
  }, [isAsking.value]);

  if (!isAsking.value)
    return (
      <button
        ref={ask}
        type="button"
        class="quiet"
        aria-label={t.removeLabel(name)}
        onClick={() => {
          isAsking.value = true;
        }}
      >
        <Icon name="trash" /> {t.remove}
      </button>
    );
  return (
    <fieldset class="confirm">
      <legend>{t.confirm(name)}</legend>
      <button type="button" class="danger" onClick={() => deleteRun(name)}>
        {t.really}
      </button>
      <button
        ref={keep}
        type="button"
        onClick={() => {
          isAsking.value = false;
        }}
      >
        {t.keep}
      </button>
    </fieldset>
  );
}
