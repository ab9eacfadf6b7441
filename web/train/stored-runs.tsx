import type { StoredRun } from "../engine/protocol.ts";
import { Card } from "../parts/card.tsx";
import { grouped } from "../parts/numbers.ts";
import { continueRun, openRun } from "../store/actions.ts";
import { FailureNotice } from "../store/failure-notice.tsx";
import { Message } from "../store/message.tsx";
import { device, isBusy, runInfo, stored } from "../store/state.ts";
import { DeleteRun } from "./delete-run.tsx";
import { text } from "./live-text.ts";

/** The runs that this browser keeps, where it keeps any. */
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
          {run.canContinue && (
            <button type="button" aria-label={t.resumeLabel(folder)} onClick={() => continueRun(folder)}>
              {t.resume}
            </button>
          )}
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
