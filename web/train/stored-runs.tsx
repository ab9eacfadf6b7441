import { useSignal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import type { StoredRun } from "../engine/protocol.ts";
import { Card } from "../parts/card.tsx";
import { Icon } from "../parts/icon.tsx";
import { grouped } from "../parts/numbers.ts";
import { deleteRun, openRun, resumeRun } from "../store/actions.ts";
import { FailureNotice, Message } from "../store/failure-notice.tsx";
import { cpuBackend, processorOf } from "../store/processors.ts";
import { device, isBusy, model, runInfo, stored } from "../store/state.ts";
import { text } from "./run-text.ts";

/** The runs in the browser's storage, if there is one. */
export function StoredRuns() {
  const t = text().stored;
  const runs = stored.value ?? [];
  const storage = device.value?.storage;
  if (storage?.kind === "memory") return null;
  return (
    <Card title={t.title}>
      <FailureNotice place="stored" title={t.failed} />
      {runs.length === 0 ? (
        <p class="hint">{t.none}</p>
      ) : (
        <ul class="stored">
          {runs.map((run) => (
            <Row key={run.folder} run={run} />
          ))}
        </ul>
      )}
      {storage?.used !== undefined && storage.quota !== undefined && (
        <p class="hint">
          {t.used(storage.used, storage.quota)} {storage.kind === "best-effort" && t.bestEffort}
        </p>
      )}
    </Card>
  );
}

function Row({ run }: { run: StoredRun }) {
  const t = text().stored;
  const { folder, status, step, steps, valLoss, loss, reason } = run;
  const shown = valLoss ?? loss;
  const isOwn = isBusy.value && runInfo.value?.name === folder;
  return (
    <li>
      <div>
        <strong>{folder}</strong> <span class="hint">{isOwn ? t.status.running : t.status[status]}</span>
      </div>
      {!isOwn && (
        <p class="hint">
          {reason ? (
            <Message>{reason}</Message>
          ) : (
            [t.updates(grouped(step ?? 0), grouped(steps ?? 0)), shown && t.loss(shown)].filter(Boolean).join(" · ")
          )}
        </p>
      )}
      {!isBusy.value && (
        <div class="buttons">
          {run.canResume && (
            <button type="button" aria-label={t.resumeLabel(folder)} onClick={() => resumeRun(folder)}>
              {t.resume}
            </button>
          )}
          <ResumeOnCpu run={run} />
          {run.checkpoint !== undefined && (
            <button type="button" aria-label={t.openLabel(folder)} onClick={() => openRun(folder)}>
              {t.open}
            </button>
          )}
          <DeleteRun name={folder} />
        </div>
      )}
    </li>
  );
}

/** Offers to resume the newest run after a reload interrupted it. */
export function ResumeOffer() {
  const [newest] = stored.value ?? [];
  if (!newest?.canResume || isBusy.value || model.value) return null;
  const t = text().stored;
  const { folder, step = 0, steps = 0, checkpoint } = newest;
  const offer = t.offer(folder, grouped(step), grouped(steps));
  return (
    <section class="card offer" aria-label={offer}>
      <p>
        {offer} {checkpoint === undefined ? t.resumesAnew : t.resumesFrom(grouped(checkpoint))}
      </p>
      <div class="buttons">
        <button type="button" class="primary" onClick={() => resumeRun(folder)}>
          {t.resume}
        </button>
        <ResumeOnCpu run={newest} />
        <DeleteRun name={folder} />
      </div>
    </section>
  );
}

/** For a run that would resume on the GPU, which it may have lost. */
function ResumeOnCpu({ run: { folder, backend, canResume } }: { run: StoredRun }) {
  const t = text().stored;
  const cpu = cpuBackend();
  if (!canResume || !cpu || backend === cpu || device.value?.choice === cpu) return null;
  const processor = processorOf(cpu);
  return (
    <button type="button" aria-label={t.resumeOnLabel(folder, processor)} onClick={() => resumeRun(folder, cpu)}>
      {t.resumeOn(processor)}
    </button>
  );
}

/** Deletes a run once the user confirms. */
function DeleteRun({ name }: { name: string }) {
  const isAsking = useSignal(false);
  const keep = useRef<HTMLButtonElement>(null);
  const ask = useRef<HTMLButtonElement>(null);
  const wasAsking = useRef(false);
  const t = text().stored;

  // The focus follows the question.
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
