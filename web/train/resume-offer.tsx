import { grouped } from "../parts/numbers.ts";
import { continueRun } from "../store/actions.ts";
import { isBusy, model, stored } from "../store/state.ts";
import { DeleteRun } from "./delete-run.tsx";
import { text } from "./live-text.ts";

/** A run that a reload has cut is the first thing to be offered. */
export function ResumeOffer() {
  const [newest] = stored.value ?? [];
  if (!newest?.canContinue || isBusy.value || model.value) return null;
  const t = text().stored;
  const { folder, step = 0, steps = 0, checkpoint } = newest;
  const offer = t.offer(folder, grouped(step), grouped(steps));
  return (
    <section class="card offer" aria-label={offer}>
      <p>
        {offer} {checkpoint === undefined ? t.resumesAnew : t.resumesFrom(grouped(checkpoint))}
      </p>
      <div class="buttons">
        <button type="button" class="primary" onClick={() => continueRun(folder)}>
          {t.resume}
        </button>
        <DeleteRun name={folder} />
      </div>
    </section>
  );
}
