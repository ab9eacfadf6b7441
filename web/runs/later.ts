import { effect, type ReadonlySignal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";

/** How much of a frame the work may take, so that the page answers in between. */
const BUDGET_MS = 8;

/** Work in steps, none of them long. */
type Steps<T> = Generator<void, T>;

/** What is to be done, by who wants it; what is under way. */
const waiting = new Map<object, () => Steps<void>>();
let current: Steps<void> | undefined;

/** What is asked for twice before its turn is done once. */
function later(key: object, task: () => Steps<void>): void {
  if (waiting.size === 0 && !current) requestAnimationFrame(frame);
  waiting.set(key, task);
}

/** Works on one thing: drawing it takes time, too. */
function frame(): void {
  const end = performance.now() + BUDGET_MS;
  const [first] = waiting;
  if (!current && first) {
    waiting.delete(first[0]);
    current = first[1]();
  }
  try {
    while (current && performance.now() < end) if (current.next().done) current = undefined;
  } catch (error) {
    current = undefined;
    throw error;
  } finally {
    if (current || waiting.size > 0) requestAnimationFrame(frame);
  }
}

/** What `compute` gives: made anew, a little in each frame, when `inputs`, which reads signals, changed. */
export function useLater<T>(inputs: () => void, compute: () => Steps<T>): ReadonlySignal<T | undefined> {
  const result = useSignal<T | undefined>(undefined);
  useEffect(() => {
    const key = {};
    const stop = effect(() => {
      inputs();
      later(key, function* () {
        result.value = yield* compute();
      });
    });
    return () => {
      stop();
      waiting.delete(key);
    };
  }, []);
  return result;
}
