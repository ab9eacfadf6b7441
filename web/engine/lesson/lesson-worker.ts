/** Entry file of the Learn view's worker. */
import { expose } from "comlink";
import { type Judgement, judgedExercises, verdictOn } from "../../../src/learn/verdict.ts";
import { Queue } from "../queue.ts";
import { LessonModels } from "./lesson.ts";
import type { Lesson } from "./protocol.ts";
import { runInWorker } from "./run-exercise.ts";

/** The lesson, one call after the other. */
class WorkerLesson implements Lesson {
  readonly #models = new LessonModels();
  readonly #queue = new Queue();

  makeOwn() {
    return this.#queue.run(() => this.#models.makeOwn());
  }

  open(...args: Parameters<Lesson["open"]>) {
    return this.#queue.run(() => this.#models.open(...args));
  }

  step(text: string) {
    return this.#queue.run(() => this.#models.step(text));
  }

  tensor(name: string) {
    return this.#queue.run(() => this.#models.tensor(name));
  }

  asks(t: number) {
    return this.#queue.run(() => this.#models.asks(t));
  }

  train(...args: Parameters<Lesson["train"]>) {
    return this.#queue.run(() => this.#models.train(...args));
  }

  async check(id: string, sources: Readonly<Record<string, string>>): Promise<Judgement> {
    const exercise = judgedExercises.find((known) => known.id === id);
    if (!exercise) throw new RangeError(`there is no exercise ${id}`);
    return verdictOn(exercise, (task, onReport, seconds) =>
      runInWorker({ id, name: exercise.name, sources, task }, onReport, seconds),
    );
  }
}

expose(new WorkerLesson());
