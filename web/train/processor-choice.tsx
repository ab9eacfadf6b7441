import { Choice } from "../parts/choice.tsx";
import { chooseBackend, isReplacing } from "../store/actions.ts";
import { browserOf } from "../store/browser-of.ts";
import { FailureNotice, Message } from "../store/failure-notice.tsx";
import { partOfStart, processorOf, timesOf } from "../store/processors.ts";
import { estimate } from "../store/setup.ts";
import { device, pendingBackend } from "../store/state.ts";
import { text } from "./setup-text.ts";

/** The choice of CPU, GPU or the faster one, and what to do about one that is missing. */
export function ProcessorChoice() {
  const t = text().processor;
  const found = device.value;
  if (!found) return null;
  const missing = found.backends.filter(({ available }) => !available);
  const names = found.backends.map(({ name }) => [name, processorOf(name)]);
  return (
    <div class="processor">
      <Choice
        label={t.label}
        values={{ auto: t.auto, ...Object.fromEntries(names) }}
        value={pendingBackend.value ?? found.choice}
        disabled={isReplacing.value && pendingBackend.value === undefined}
        unavailable={missing.map(({ name }) => name)}
        onChange={chooseBackend}
      />
      <p class="hint" role="status">
        {pendingBackend.value === undefined ? about() : t.starting + partOfStart()}
      </p>
      <FailureNotice place="backend" title={t.failed} />
      {missing.map(({ name, reason = "" }) => (
        <details key={name}>
          <summary class="why-not">{t.missing(processorOf(name))}</summary>
          <p class="hint reason">
            <Message>{reason}</Message>
          </p>
          <p class="hint">{t.howTo[browserOf(navigator.userAgent)]}</p>
        </details>
      ))}
    </div>
  );
}

/** What the choice leads to. */
function about(): string {
  const t = text().processor;
  const { backends = [], choice = "auto", processor = "CPU" } = device.value ?? {};
  if (backends.filter(({ available }) => available).length === 1) return t.only(processor);
  const timing = estimate.value?.timing;
  if (!timing) return choice === "auto" ? t.untimed : "";
  const fastest = processorOf(timing.fastest);
  const result = choice === "auto" ? t.taken(fastest) : choice === timing.fastest ? "" : t.faster(fastest);
  return `${t.timed(timesOf(timing))} ${result}`;
}
