import { useEffect } from "preact/hooks";
import { begin } from "../store/begin.ts";
import { hasRun, isBusy, model } from "../store/state.ts";
import { LossChart } from "./loss-chart.tsx";
import { Remarks } from "./remarks.tsx";
import { RunCard } from "./run-card.tsx";
import { SamplesCard } from "./samples-card.tsx";
import { SetupColumn } from "./setup-column.tsx";
import { StoredRuns } from "./stored-runs.tsx";
import { TakeCard } from "./take-card.tsx";
import { ThisRun } from "./this-run.tsx";
import { WriteCard } from "./write-card.tsx";
import "./train.css";

/** The studio's front page: what to train on the left, the run on the right, which comes first where there is no room. */
export function TrainView() {
  useEffect(begin, []);
  return (
    <div class="train">
      <div class="train-live">
        <Remarks />
        <RunCard />
        <div class="train-pair">
          {hasRun.value && <LossChart />}
          {hasRun.value && <SamplesCard />}
          {(isBusy.value || model.value) && <WriteCard />}
          {model.value && <TakeCard />}
        </div>
      </div>
      <div class="train-setup">
        {isBusy.value ? <ThisRun /> : <SetupColumn />}
        <StoredRuns />
      </div>
    </div>
  );
}
