import type { ComponentChildren } from "preact";
import { useRef } from "preact/hooks";
import type { RunState } from "../engine/protocol.ts";
import { Icon, type IconName } from "../parts/icon.tsx";
import { Notice } from "../parts/notice.tsx";
import { duration, fixed, fixedOr, grouped, percent, short } from "../parts/numbers.ts";
import { pause, resume, resumeStopped, start, stop } from "../store/actions.ts";
import { Message } from "../store/failure-notice.tsx";
import { fieldNames } from "../store/fields.ts";
import { partOfStart, processorOf, timesOf } from "../store/processors.ts";
import { canStart, estimate, isValid, problem, problems } from "../store/setup.ts";
import { activity, data, device, hasRun, isBusy, live, run, runInfo, stored } from "../store/state.ts";
import { text } from "./run-text.ts";
import { text as setupText } from "./setup-text.ts";

/** The run: an introduction before the first one, its progress from then on. The buttons keep their place. */
export function RunCard() {
  return (
    <section class="card run" aria-label={text().controls}>
      {hasRun.value ? <h1 class="run-name">{runInfo.value?.name ?? " "}</h1> : <Hero />}
      <Controls />
      {hasRun.value && <DeviceLine />}
      {hasRun.value ? (
        <>
          <RunProgress />
          <RunFigures />
        </>
      ) : (
        <>
          <Plan />
          <DeviceLine />
          <How />
          <SamplePreview />
        </>
      )}
    </section>
  );
}

function Hero() {
  const t = text().hero;
  return (
    <div class="hero">
      <h1>{t.title}</h1>
      <p>{t.what}</p>
    </div>
  );
}

function Plan() {
  const t = text().hero;
  const { parameters, msTotal } = estimate.value ?? {};
  const isKnown = parameters !== undefined && msTotal !== undefined && problem.value === undefined;
  return <p class="plan">{isKnown ? t.plan(t.parameters(short(parameters)), duration(msTotal)) : " "}</p>;
}

function How() {
  return (
    <ol class="how">
      {text().hero.how.map(([title, what]) => (
        <li key={title}>
          <h2>{title}</h2>
          <p>{what}</p>
        </li>
      ))}
    </ol>
  );
}

/** Start, pause and resume are one button, which keeps the focus; the others stand beside it. */
function Controls() {
  const t = text();
  const main = useRef<HTMLButtonElement>(null);
  const { phase } = run.value;
  const inStorage = stored.value?.find(({ folder }) => folder === runInfo.value?.name);
  // An ended run may have been deleted since.
  const isKept = runInfo.value?.isKept === true && (isBusy.value || inStorage !== undefined);
  const isUnsaved = isKept && "isSaved" in run.value && !run.value.isSaved;
  const canResume = phase === "stopped" && isKept && (!isUnsaved || inStorage?.canResume === true);
  const states = { ...t.states, ...(!isKept && t.unkeptStates), ...(isUnsaved && t.unsavedStates) };
  const { label, icon, act } = mainAction(phase, canResume);
  const isStart = act === start;
  const isPreparing = isStart && data.value === undefined && activity.value?.what === "preparing";
  const canStop = phase === "training" || phase === "paused";
  return (
    <div class="controls">
      <button
        ref={main}
        type="button"
        class="primary"
        disabled={isStart && !canStart.value}
        aria-disabled={act === undefined}
        onClick={act && (() => void act())}
      >
        <Icon name={icon} /> {isPreparing ? t.preparing : label}
      </button>
      {canStop && (
        <button
          type="button"
          onClick={() => {
            // This button disappears.
            main.current?.focus();
            void stop();
          }}
        >
          <Icon name="stop" /> {t.stop}
        </button>
      )}
      {canResume && (
        <button type="button" disabled={!canStart.value} onClick={() => void start()}>
          {t.startAgain}
        </button>
      )}
      <p class={`phase ${phase}`} role="status">
        {states[phase]}
      </p>
      {isStart && !isValid.value && <p class="error">{invalidFields()}</p>}
    </div>
  );
}

/** Names the invalid fields, which may be in a folded card. */
function invalidFields(): string {
  const { labels, invalid } = setupText().fields;
  const names = fieldNames.filter((name) => problems.value[name]);
  return invalid(names.map((name) => labels[name]).join(setupText().fields.comma));
}

interface Action {
  readonly label: string;
  readonly icon: IconName;
  /** Absent while an action is in progress. */
  readonly act?: () => Promise<void>;
}

/** The main button's action in each phase. */
function mainAction(phase: RunState["phase"], canResume: boolean): Action {
  const t = text();
  switch (phase) {
    case "idle":
    case "failed":
      return { label: t.start, icon: "play", act: start };
    case "stopped":
      if (canResume) return { label: t.resume, icon: "play", act: resumeStopped };
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

/** Threads and kernel, or the GPU, and why there is only one thread. */
function DeviceLine() {
  const t = text().device;
  const found = device.value;
  if (!found)
    return (
      <p class="device">
        {t.starting} …{partOfStart()}
      </p>
    );
  const { processor, device: gpu, threads, relaxed, kernel, sharedMemory } = found;
  const tile = kernel.replace(/^[a-z]+-/, "").replace("x", "×");
  const facts = processor === "GPU" ? [processor, gpu] : [t.threads(threads), relaxed ? t.relaxed : t.plain, tile];
  return (
    <>
      <p class="device">{facts.join(" · ")}</p>
      <Taken />
      {processor === "CPU" && !sharedMemory && (
        <Notice>{crossOriginIsolated ? t.noSharedMemory : t.notIsolated}</Notice>
      )}
    </>
  );
}

/** The processor that "auto" took for this run, and why. */
function Taken() {
  const t = text().device;
  const timing = runInfo.value?.timing;
  if (!timing) return null;
  const taken = timing.isRemembered ? t.takenBefore : t.taken;
  return (
    <>
      <p class="hint taken">{taken(processorOf(timing.fastest), timesOf(timing))}</p>
      {timing.steps.map(
        ({ backend, problem }) =>
          problem !== undefined && (
            <Notice key={backend} kind="warn">
              {t.cannot(processorOf(backend))} <Message>{problem}</Message>
            </Notice>
          ),
      )}
    </>
  );
}

/** Updates made and remaining time. */
function RunProgress() {
  const t = text();
  const { progress, msLeft } = live.value;
  const info = runInfo.value;
  const steps = info?.steps ?? 0;
  const step = Math.max(progress.step, info?.from ?? 0);
  const left = msLeft === undefined ? t.leftUnknown : t.left(duration(msLeft));
  const doing = activity.value && t.activity[activity.value.what] + partOfStart();
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

/** Newest losses and speed, large. */
function RunFigures() {
  const t = text().figures;
  const { last, valLoss, bestValLoss, bestStep } = live.value.progress;
  const best = (
    <>
      {fixedOr(bestValLoss, 3)}
      {bestStep !== undefined && <small> @ {grouped(bestStep)}</small>}
    </>
  );
  const figures: readonly (readonly [string, ComponentChildren])[] = [
    [t.loss, fixedOr(last?.loss, 3)],
    [t.val, fixedOr(valLoss, 3)],
    [t.best, best],
    [t.speed, number(last?.tokensPerSecond, grouped)],
    [t.ms, number(last?.ms, (ms) => fixed(ms, ms < 100 ? 1 : 0))],
  ];
  return (
    <dl class="figures">
      {figures.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function number(value: number | undefined, show: (value: number) => string): string {
  return value === undefined || !Number.isFinite(value) ? "–" : show(value);
}

/** Samples and losses of `llm-ts train --model baby`. */
const previewSamples = [
  {
    step: 50,
    loss: 2.887,
    text: "EDQshabeWheLeaNF tEnK\nWa$dAr.J:w Qd  IOToses tdhe bo,yhon\nEjeyFoyu 3n v$e old ithe",
  },
  { step: 500, loss: 2.33, text: "Do; fotht, wend tou thingencue tent?\nI Anot is is thih\nMan; depewtal!--" },
  {
    step: 2000,
    loss: 1.711,
    text: "PRIXENES:\nSoment, I have is cofenteGpory have ungens.\n\nAUSTALETUNBE:\nI as tolk",
  },
] as const;

/** Samples of an earlier run: what can be expected. */
function SamplePreview() {
  const t = text();
  return (
    <figure class="sample-preview">
      <figcaption>{t.hero.preview}</figcaption>
      <ol>
        {previewSamples.map(({ step, loss, text }) => (
          <li key={step}>
            <p class="hint">{t.samples.newest(step, t.samples.loss(loss))}</p>
            <blockquote class="prose" lang="en">
              {text}
            </blockquote>
          </li>
        ))}
      </ol>
    </figure>
  );
}
