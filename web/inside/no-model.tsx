import { hashOf } from "../route.ts";
import { FailureNotice } from "../store/failure-notice.tsx";
import { OpenModel } from "../store/open-model.tsx";
import { text as tabText } from "../store/text.ts";
import { text } from "./text.ts";

/** Shown while no model is loaded: how to get one. */
export function NoModel() {
  const t = text().none;
  return (
    <section class="card empty inside-none">
      <svg class="none-picture" viewBox="0 0 72 72" aria-hidden="true">
        {Array.from({ length: 36 }, (_, i) => [Math.floor(i / 6), i % 6])
          .filter(([row, column]) => column <= row)
          .map(([row, column]) => (
            <rect key={row * 6 + column} x={column * 12} y={row * 12} width="11" height="11" rx="2" />
          ))}
      </svg>
      <h1>{t.title}</h1>
      <p>{t.about}</p>
      <div class="none-ways">
        <a class="button primary" href={hashOf("train")}>
          {t.train}
        </a>
        <OpenModel />
      </div>
      <FailureNotice place="open" title={tabText().openFailed} />
    </section>
  );
}
