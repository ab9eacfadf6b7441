import { duration, short } from "../parts/numbers.ts";
import { estimate, problem } from "../store/setup.ts";
import { hasRun, runInfo } from "../store/state.ts";
import { Controls } from "./controls.tsx";
import { DeviceLine } from "./device-line.tsx";
import { Foretaste } from "./foretaste.tsx";
import { text } from "./live-text.ts";
import { RunFigures } from "./run-figures.tsx";
import { RunProgress } from "./run-progress.tsx";

/** The run: what it is about before it begins, how it goes from then on. The buttons stay where they are. */
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
          <Foretaste />
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
