import { useRef } from "preact/hooks";
import type { RunState } from "../engine/protocol.ts";
import { Icon, type IconName } from "../parts/icon.tsx";
import { continueStopped, pause, resume, start, stop } from "../store/actions.ts";
import { fieldNames } from "../store/fields.ts";
import { canStart, isValid, problems } from "../store/setup.ts";
import { activity, data, isBusy, run, runInfo, stored } from "../store/state.ts";
import { text } from "./live-text.ts";
import { text as setupText } from "./setup-text.ts";

/** Start, pause, resume: one button, so that the keyboard stays on it. Beside it, what ends the run. */
export function Controls() {
  const t = text();
  const main = useRef<HTMLButtonElement>(null);
  const { phase } = run.value;
  const inStorage = stored.value?.find(({ folder }) => folder === runInfo.value?.name);
  // One that has ended may have been deleted since.
  const isKept = runInfo.value?.isKept === true && (isBusy.value || inStorage !== undefined);
  const isUnsaved = isKept && "isSaved" in run.value && !run.value.isSaved;
  const goesOn = phase === "stopped" && isKept && (!isUnsaved || inStorage?.canContinue === true);
  const states = { ...t.states, ...(!isKept && t.unkeptStates), ...(isUnsaved && t.unsavedStates) };
  const { label, icon, act } = mainAction(phase, goesOn);
  const begins = act === start;
  const waits = begins && data.value === undefined && activity.value?.what === "preparing";
  const canStop = phase === "training" || phase === "paused";
  return (
    <div class="controls">
      <button
        ref={main}
        type="button"
        class="primary"
        disabled={begins && !canStart.value}
        aria-disabled={act === undefined}
        onClick={act && (() => void act())}
      >
        <Icon name={icon} /> {waits ? t.preparing : label}
      </button>
      {canStop && (
        <button
          type="button"
          onClick={() => {
            // This one is about to vanish.
            main.current?.focus();
            void stop();
          }}
        >
          <Icon name="stop" /> {t.stop}
        </button>
      )}
      {goesOn && (
        <button type="button" disabled={!canStart.value} onClick={() => void start()}>
          {t.startAgain}
        </button>
      )}
      <p class={`phase ${phase}`} role="status">
        {states[phase]}
      </p>
      {begins && !isValid.value && <p class="error">{wrongFields()}</p>}
    </div>
  );
}

/** The fields that keep a run from starting, which may be folded away. */
function wrongFields(): string {
  const { labels, invalid } = setupText().fields;
  const wrong = fieldNames.filter((name) => problems.value[name]);
  return invalid(wrong.map((name) => labels[name]).join(setupText().fields.comma));
}

interface Action {
  readonly label: string;
  readonly icon: IconName;
  /** Absent while the engine is at it. */
  readonly act?: () => Promise<void>;
}

/** What the main button does in each phase. */
function mainAction(phase: RunState["phase"], goesOn: boolean): Action {
  const t = text();
  switch (phase) {
    case "idle":
    case "failed":
      return { label: t.start, icon: "play", act: start };
    case "stopped":
      if (goesOn) return { label: t.resume, icon: "play", act: continueStopped };
      return { label: t.startAgain, icon: "play", act: start };
    case "done":
      return { label: t.startAgain, icon: "play", act: start };
    case "creating":
      return { label: t.start, icon: "play" };
    case "training":
      return { label: t.pause, icon: "pause", act: pause };
    case "pausing":
    case "stopping":
      return { label: t.pause, icon: "pause" };
    case "paused":
      return { label: t.resume, icon: "play", act: resume };
  }
}
