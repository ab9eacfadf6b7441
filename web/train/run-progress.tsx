import { duration, grouped, percent } from "../parts/numbers.ts";
import { activity, live, run, runInfo } from "../store/state.ts";
import { text } from "./live-text.ts";

/** How far the run is, and how long it will yet take. */
export function RunProgress() {
  const t = text();
  const { progress, msLeft } = live.value;
  const info = runInfo.value;
  const steps = info?.steps ?? 0;
  const step = Math.max(progress.step, info?.from ?? 0);
  const left = msLeft === undefined ? t.leftUnknown : t.left(duration(msLeft));
  const doing = activity.value && t.activity[activity.value.what];
  return (
    <div class="progress">
      <progress max={Math.max(1, steps)} value={step} aria-label={t.ofSteps(step, steps)} />
      <p class="hint">
        <span>
          {steps > 0 && `${t.ofSteps(step, steps)} (${percent(step / steps)})`}
          {info?.isKept && progress.savedStep !== undefined && ` · ${t.saved(grouped(progress.savedStep))}`}
        </span>
        <span>{doing ?? (run.value.phase === "training" ? left : "")}</span>
      </p>
    </div>
  );
}
