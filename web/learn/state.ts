/** State of the Learn view: the chapter, the step of the lesson's model, and what is selected in it. */
import { batch, computed, signal } from "@preact/signals";
import type { Asks } from "../../src/learn/asks.ts";
import { engine } from "../engine/client.ts";
import { lesson } from "../engine/lesson/client.ts";
import { type LessonStep, mostParameters, mostTokens, ownCharacters } from "../engine/lesson/protocol.ts";
import { visible } from "../parts/visible.ts";
import { recalled, remember } from "../remember.ts";
import { route } from "../route.ts";
import { attempt } from "../store/failures.ts";
import { firstPrompt, readableBeginningOf } from "../store/first-prompt.ts";
import { data, live, model, runInfo } from "../store/state.ts";
import { chapterIds } from "./book.ts";
import { counterpartOf, tensorsOf } from "./chapter-tensors.ts";
import type { Place } from "./draw-grid.ts";

// --- The chapter ----------------------------------------------------------------------------------------------------

/** The chapter of the address, else the one that was read last. */
export const chapter = computed<string>(() => {
  const { view, rest } = route.value;
  const wanted = [view === "learn" ? rest[0] : undefined, recalled("chapter"), chapterIds[0]];
  return wanted.find((id) => id !== undefined && chapterIds.includes(id)) ?? chapterIds[0];
});

chapter.subscribe((id) => remember("chapter", id));

// --- The step -------------------------------------------------------------------------------------------------------

/** The lesson's model: the small one, or a copy of the tab's. */
export const source = signal<"own" | "tab" | undefined>();

/** The tab's model can be read from, but has too many parameters for a lesson. */
export const isTabTooLarge = computed(() => readsText.value && (model.value?.parameters ?? 0) > mostParameters);

const readsText = computed(() => model.value?.tokenizer !== undefined && model.value.tokenizer !== "unknown");

export const canCopyTab = computed(() => readsText.value && !isTabTooLarge.value);

export const chosenSource = computed<"own" | "tab">(() => (canCopyTab.value ? (source.value ?? "tab") : "own"));

/** The user's text; undefined before the first. */
export const typed = signal<string | undefined>();

const example = "First Citizen:\nBefore we proceed";

export const lessonText = computed(() => {
  const known = chosenSource.value === "own" ? ownCharacters : model.value?.characters;
  const beginning = firstPrompt(readableBeginningOf(data.value?.preview ?? example, known)).slice(0, mostTokens + 1);
  return typed.value ?? (beginning.length > 1 ? beginning : example);
});

export const step = signal<LessonStep | undefined>();

/** What the worker does for the page at the moment. */
export const busy = signal<"stepping" | "training" | undefined>();

/** Losses of the updates that were made last. */
export const trained = signal<readonly number[]>([]);

/** (T + 1) tokens with visible white space. */
export const names = computed(() => (step.value?.texts ?? []).map(visible));

/** The model that the worker has: the small one, or the tab's as it was. */
let held: unknown;

/** Traces a step of the chosen model on the text. */
export async function makeStep(): Promise<void> {
  if (busy.value) return;
  busy.value = "stepping";
  const found = await attempt("learn", async () => {
    await provideModel();
    return lesson.step(lessonText.value);
  });
  busy.value = undefined;
  if (found) await show(found);
}

async function provideModel(): Promise<void> {
  if (chosenSource.value === "own") {
    if (held !== "own") await lesson.makeOwn();
    held = "own";
    return;
  }
  held = undefined;
  const { name = "", step: loaded } = model.value ?? {};
  const formats = ["safetensors", "config", "tokenizer"] as const;
  const files: File[] = [];
  for (const format of formats) files.push(...(await engine.export(format)));
  await lesson.open(files, name, runInfo.value ? live.value.progress.step : loaded);
}

/** Trains the small model on the text, and traces the step that comes next. */
export async function trainOn(updates: number): Promise<void> {
  if (busy.value || held !== "own") return;
  busy.value = "training";
  const losses: number[] = [];
  await attempt("learn", () =>
    lesson.train(lessonText.value, updates, (_, loss) => {
      losses.push(loss);
    }),
  );
  trained.value = losses;
  busy.value = undefined;
  await makeStep();
}

/** Makes the small model again, with its initial weights. */
export async function startOver(): Promise<void> {
  if (busy.value) return;
  held = undefined;
  trained.value = [];
  await makeStep();
}

async function show(next: LessonStep): Promise<void> {
  batch(() => {
    const isOther = step.value?.model.name !== next.model.name || step.value?.tensors.length !== next.tensors.length;
    step.value = next;
    values.value = new Map();
    asks.value = undefined;
    position.value = Math.min(isOther ? next.losses.length - 1 : position.value, next.losses.length - 1);
    if (isOther) {
      weight.value = undefined;
      head.value = 0;
    }
  });
  if (!tensorNames.value.has(selected.value)) selectOfChapter();
}

// --- What is selected -----------------------------------------------------------------------------------------------

/** Position of the selected token. */
export const position = signal(0);
export const selected = signal("");
/** Of attention probabilities, the head that is shown. */
export const head = signal(0);
/** The cell that is read out, of the selected tensor and its counterpart. */
export const cell = signal<Place | undefined>();
/** The weight whose update is shown: its tensor and its index there. */
export const weight = signal<{ readonly name: string; readonly index: number } | undefined>();

export const tensorNames = computed<ReadonlySet<string>>(
  () => new Set((step.value?.tensors ?? []).map(({ name }) => name)),
);

export const chapterTensors = computed(() => tensorsOf(chapter.value, step.value?.tensors ?? []));

/** Selects the first tensor of the chapter. */
export function selectOfChapter(): void {
  const [first] = chapterTensors.value;
  if (first !== undefined) select(first);
}

export function select(name: string): void {
  batch(() => {
    selected.value = name;
    cell.value = undefined;
  });
}

export const counterpart = computed(() => counterpartOf(selected.value, tensorNames.value));

// --- Values ---------------------------------------------------------------------------------------------------------

/** Values of the tensors that were asked for, by name. */
export const values = signal<ReadonlyMap<string, Float32Array>>(new Map());
const coming = new Set<string>();

/** Fetches values that are not here yet. */
export function need(...wanted: readonly (string | undefined)[]): void {
  const now = step.value;
  for (const name of wanted) {
    if (name === undefined || values.value.has(name) || coming.has(name) || !tensorNames.value.has(name)) continue;
    coming.add(name);
    void attempt("learn", () => lesson.tensor(name)).then((found) => {
      coming.delete(name);
      if (!found) return;
      if (step.value === now) values.value = new Map([...values.value, [name, found]]);
      else need(name);
    });
  }
}

/** What the selected token's loss asks; undefined while it is computed. */
export const asks = signal<(Asks & { readonly t: number }) | undefined>();
let asking: number | undefined;

/** Computes it for the selected token, where it is not known. */
export async function ask(): Promise<void> {
  if (!step.value || asks.value?.t === position.value || asking !== undefined) return;
  const [now, t] = [step.value, position.value];
  asking = t;
  const found = await attempt("learn", () => lesson.asks(t));
  asking = undefined;
  if (found && step.value === now) asks.value = { ...found, t };
  if (found && (position.value !== t || step.value !== now)) await ask();
}
