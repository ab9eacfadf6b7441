import { Notice } from "../parts/notice.tsx";
import { bytes, duration, grouped } from "../parts/numbers.ts";
import { Message } from "../store/message.tsx";
import { change, estimate, isCurrent, problem } from "../store/setup.ts";
import { text } from "./setup-text.ts";

/** What the choice takes, before anything is allocated. */
export function EstimateFacts() {
  const t = text().estimate;
  const found = estimate.value;
  if (!found) return <Problem />;
  const { parameters, memory, memoryLimit, fits, msPerStep, msTotal, storage, storageFits } = found;
  const time = (ms: number) => (fits ? duration(ms) : t.unknown);
  return (
    <section class="estimate" aria-label={t.label} aria-busy={!isCurrent.value}>
      <dl class="facts">
        <div>
          <dt>{t.parameters}</dt>
          <dd>{grouped(parameters)}</dd>
        </div>
        <div>
          <dt>{t.step}</dt>
          <dd>{time(msPerStep)}</dd>
        </div>
        <div>
          <dt>{t.total}</dt>
          <dd>{time(msTotal)}</dd>
        </div>
        <div class="wide">
          <dt>{t.memory}</dt>
          <dd>{t.ofMemory(memory.total, memoryLimit)}</dd>
        </div>
      </dl>
      <MemoryBar />
      <Problem />
      {!storageFits && <Notice kind="warn">{t.noStorage(storage)}</Notice>}
    </section>
  );
}

const parts = ["weights", "optimizer", "activations", "sampling"] as const;

/** The parts of the memory that is needed, of all that there is. */
function MemoryBar() {
  const found = estimate.value;
  if (!found) return null;
  const t = text().estimate;
  const { memory, memoryLimit, fits } = found;
  const whole = Math.max(memoryLimit, memory.total);
  return (
    <>
      <div class={fits ? "memory-bar" : "memory-bar over"} aria-hidden="true">
        {parts.map((part) => (
          <span key={part} class={part} style={{ width: `${(memory[part] / whole) * 100}%` }} />
        ))}
      </div>
      <ul class="memory-parts">
        {parts.map((part) => (
          <li key={part} class={part}>
            {t.parts[part]} {bytes(memory[part])}
          </li>
        ))}
      </ul>
    </>
  );
}

function Problem() {
  const t = text().estimate;
  if (problem.value === undefined) return null;
  const batch = estimate.value?.fittingBatch ?? 0;
  return (
    <Notice kind="bad">
      <p>
        <Message>{problem.value}</Message>
      </p>
      {batch > 0 && (
        <p>
          {t.fittingBatch(batch)}{" "}
          <button type="button" onClick={() => change({ batch })}>
            {t.useBatch}
          </button>
        </p>
      )}
    </Notice>
  );
}
