import { effect, type ReadonlySignal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";

/** Milliseconds of work in a frame, so that the page responds in between. */
const frameBudget = 8;

/** A task in short steps, each of which ends with a yield. */
type Steps<T> = Generator<void, T>;

/** Time-sliced scheduler: tasks waiting by key, the task running, and the function that shows the last one's result. */
const waiting = new Map<object, () => Steps<() => void>>();
let current: Steps<() => void> | undefined;
let show: (() => void) | undefined;

const isIdle = () => waiting.size === 0 && !current && !show;

/** Schedules a task; one that waits under the same key is replaced. */
function schedule(key: object, task: () => Steps<() => void>): void {
  if (isIdle()) requestAnimationFrame(frame);
  waiting.set(key, task);
}

/** Runs a slice of work, or shows one result: drawing takes a frame of its own. */
function frame(): void {
  try {
    const ready = show;
    show = undefined;
    if (ready) ready();
    else work();
  } finally {
    if (!isIdle()) requestAnimationFrame(frame);
  }
}

function work(): void {
  const end = performance.now() + frameBudget;
  const [first] = waiting;
  if (!current && first) {
    waiting.delete(first[0]);
    current = first[1]();
  }
  try {
    while (current && performance.now() < end) {
      const { done, value } = current.next();
      if (!done) continue;
      current = undefined;
      show = value;
    }
  } catch (error) {
    current = undefined;
    throw error;
  }
}

/** Result of `compute`, computed again in slices of frames whenever a signal that `inputs` reads changes. */
export function useScheduled<T>(inputs: () => void, compute: () => Steps<T>): ReadonlySignal<T | undefined> {
  const result = useSignal<T | undefined>(undefined);
  useEffect(() => {
    const key = {};
    const stop = effect(() => {
      inputs();
      schedule(key, function* () {
        const value = yield* compute();
        return () => {
          result.value = value;
        };
      });
    });
    return () => {
      stop();
      waiting.delete(key);
    };
  }, []);
  return result;
}
