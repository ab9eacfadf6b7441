import { useRef } from "preact/hooks";
import { hashOf } from "../route.ts";
import { openFiles } from "../train/actions.ts";
import { FailureNotice } from "../train/failure-notice.tsx";
import { text } from "./text.ts";

/** There is nothing to look into yet: how to get a model. */
export function NoModel() {
  const t = text().none;
  const files = useRef<HTMLInputElement>(null);
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
        <button type="button" onClick={() => files.current?.click()}>
          {t.open}
        </button>
      </div>
      <input
        ref={files}
        hidden
        type="file"
        multiple
        accept=".bin,.safetensors,.json"
        onChange={(event) => {
          void openFiles([...(event.currentTarget.files ?? [])]);
          event.currentTarget.value = "";
        }}
      />
      <FailureNotice place="open" title={t.openFailed} />
    </section>
  );
}
