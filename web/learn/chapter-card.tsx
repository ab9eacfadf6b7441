import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { language } from "../language.ts";
import { Field } from "../parts/field.tsx";
import { hashOf } from "../route.ts";
import { attempt } from "../store/failures.ts";
import { type Chapter, chapterIds, chapterTitle, loadChapter } from "./book.ts";
import { chapter } from "./state.ts";
import { text } from "./text.ts";

/** A chapter of docs/learn. */
export function ChapterCard() {
  const t = text().book;
  const id = chapter.value;
  const loaded = useSignal<Chapter | undefined>(undefined);
  const top = useRef<HTMLElement>(null);
  const before = useRef(id);

  useEffect(() => {
    void attempt("learn", () => loadChapter(id, language.value)).then((found) => {
      if (found && chapter.value === id) loaded.value = found;
      if (before.current !== id) top.current?.scrollIntoView();
      before.current = id;
    });
  }, [id, language.value]);

  const at = chapterIds.indexOf(id);
  const [previous, next] = [chapterIds[at - 1], chapterIds[at + 1]];
  return (
    <article class="card chapter" ref={top}>
      <Field label={t.chapter}>
        {(attributes) => (
          <select
            {...attributes}
            value={id}
            onChange={(event) => {
              location.hash = hashOf("learn", event.currentTarget.value);
            }}
          >
            {chapterIds.map((one) => (
              <option key={one} value={one}>
                {chapterTitle(one, language.value)}
              </option>
            ))}
          </select>
        )}
      </Field>
      <button type="button" class="quiet to-live" onClick={() => document.getElementById("learn-live")?.focus()}>
        {t.toLive} ↓
      </button>
      <h2>{loaded.value?.title}</h2>
      {loaded.value && (
        // Our own pages, rendered when this one was built.
        <div class="chapter-text" dangerouslySetInnerHTML={{ __html: loaded.value.html }} />
      )}
      <nav class="chapter-ends" aria-label={t.ends}>
        {previous && (
          <a rel="prev" href={hashOf("learn", previous)}>
            ← {chapterTitle(previous, language.value)}
          </a>
        )}
        {next && (
          <a rel="next" href={hashOf("learn", next)}>
            {chapterTitle(next, language.value)} →
          </a>
        )}
      </nav>
    </article>
  );
}
