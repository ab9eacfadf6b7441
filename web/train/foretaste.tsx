import { text } from "./live-text.ts";

/** From `llm-ts train --model baby`: what it wrote, and its loss, after so many updates. */
const written = [
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

/** What can be expected, before there is anything to see. */
export function Foretaste() {
  const t = text();
  return (
    <figure class="foretaste">
      <figcaption>{t.hero.foretaste}</figcaption>
      <ol>
        {written.map(({ step, loss, text }) => (
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
