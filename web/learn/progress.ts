/** The reader's exercises in this browser: their code, and which are right. */
import { computed, signal } from "@preact/signals";
import { exercises, sourceOf } from "../../src/learn/source.ts";
import type { Judgement } from "../../src/learn/verdict.ts";
import { lesson } from "../engine/lesson/client.ts";
import { recalled, remember } from "../remember.ts";
import { attempt } from "../store/failures.ts";
import { exerciseOf } from "./chapter-tensors.ts";
import { chapter } from "./state.ts";

const ids = exercises.map(({ id }) => id);

const chosen = signal<{ readonly id: string; readonly chapter: string } | undefined>();

/** The reader's choice while the chapter stays, else the chapter's exercise. */
export const exercise = computed(() =>
  chosen.value?.chapter === chapter.value ? chosen.value.id : exerciseOf(chapter.value),
);

export function choose(id: string): void {
  chosen.value = { id, chapter: chapter.value };
}

/** The code of each exercise, as it was written at first or by the reader. */
export const sources = signal<Readonly<Record<string, string>>>(
  Object.fromEntries(ids.map((id) => [id, recalled(`exercise ${id}`) ?? sourceOf(id, "ts")])),
);

/** The code that the last `restart` replaced. */
export const replaced = signal<{ readonly id: string; readonly code: string } | undefined>();

export function edit(id: string, code: string): void {
  sources.value = { ...sources.value, [id]: code };
  remember(`exercise ${id}`, code);
}

/** The exercise as it was written at first; `undo` brings the reader's code back. */
export function restart(id: string): void {
  replaced.value = { id, code: sources.value[id] };
  edit(id, sourceOf(id, "ts"));
}

export function undo(): void {
  if (replaced.value) edit(replaced.value.id, replaced.value.code);
  replaced.value = undefined;
}

export const solved = signal<ReadonlySet<string>>(new Set((recalled("solved") ?? "").split(" ").filter(Boolean)));

export interface CheckResult {
  readonly id: string;
  /** The code that was judged. */
  readonly code: string;
  /** Undefined while it is judged. */
  readonly judgement?: Judgement;
}

export const result = signal<CheckResult | undefined>();

export async function checkExercise(id: string): Promise<void> {
  if (result.value && !result.value.judgement) return;
  const code = sources.value[id];
  result.value = { id, code };
  const judgement = await attempt("exercise", () => lesson.check(id, sources.value));
  result.value = judgement && { id, code, judgement };
  if (!judgement) return;
  const now = new Set(solved.value);
  if (judgement.state === "right") now.add(id);
  else now.delete(id);
  solved.value = now;
  remember("solved", [...now].join(" "));
}
