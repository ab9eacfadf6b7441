import { useEffect } from "preact/hooks";
import { initialize } from "../store/initialize.ts";
import { data, model } from "../store/state.ts";
import { AsksCard } from "./asks-card.tsx";
import { ChapterCard } from "./chapter-card.tsx";
import { ExerciseCard } from "./exercise-card.tsx";
import { GradientsCard } from "./gradients-card.tsx";
import "./learn.css";
import { ModelCard } from "./model-card.tsx";
import { chapter, chosenSource, makeStep, selectOfChapter, step } from "./state.ts";
import { StepCard } from "./step-card.tsx";
import { text } from "./text.ts";
import { UpdateCard } from "./update-card.tsx";

/** Learn: a chapter of the book beside one training step of a live model, and the exercises. */
export function LearnView() {
  const now = step.value;

  useEffect(initialize, []);
  // At once, and again with another model; not before the tab says what it has.
  useEffect(() => {
    if (data.value || model.value) void makeStep();
  }, [chosenSource.value, data.value === undefined && model.value === undefined]);
  useEffect(selectOfChapter, [chapter.value]);

  return (
    <div class="learn">
      <h1 class="hidden">{text().title}</h1>
      <ChapterCard />
      <div class="learn-live" id="learn-live" tabIndex={-1}>
        <ModelCard />
        {now && (
          <>
            <StepCard step={now} />
            <GradientsCard step={now} />
            <AsksCard step={now} />
            <UpdateCard step={now} />
          </>
        )}
        <ExerciseCard />
      </div>
    </div>
  );
}
