import { useEffect } from "preact/hooks";
import { Notice } from "../parts/notice.tsx";
import { Charts } from "./charts.tsx";
import { RunLists } from "./run-lists.tsx";
import "./runs.css";
import { Message } from "../store/failure-notice.tsx";
import { Samples } from "./samples.tsx";
import { Settings } from "./settings-card.tsx";
import { connected, selectedRuns, selection, watchRuns } from "./state.ts";
import { text } from "./text.ts";

/** All runs, on this computer and in this browser; charts, samples and settings of the selected ones. */
export function RunsView() {
  const t = text();
  useEffect(watchRuns, []);
  return (
    <div class="view runs">
      <h1 class="hidden">{t.title}</h1>
      {!connected.value && <Notice kind="warn">{t.lost}</Notice>}
      <RunLists />
      <Problems />
      {selection.value.length > 0 && (
        <>
          <Charts />
          <div class="runs-below">
            <Samples />
            <Settings />
          </div>
        </>
      )}
    </div>
  );
}

/** Problems of the selected runs. */
function Problems() {
  const t = text();
  return (
    <>
      {selectedRuns.value.map(({ key, name, problem, version, data }) => {
        void version.value;
        const broken = data?.columns.broken ?? 0;
        if (problem.value !== undefined)
          return (
            <Notice key={key} kind="bad">
              {t.failed(name)} <Message>{problem.value}</Message>
            </Notice>
          );
        return (
          broken > 0 && (
            <Notice key={key} kind="warn">
              {t.broken(name, broken)}
            </Notice>
          )
        );
      })}
    </>
  );
}
