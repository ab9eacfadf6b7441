import { effect, type ReadonlySignal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";

/** How much of a frame the work may take, so that the page answers in between. */
const BUDGET_MS = 8;

/** Work in steps, none of them long. */
type Steps<T> = Generator<void, T>;

/** What is to be done, by who wants it; what is under way, which gives what shows its result; what is to be shown. */
const waiting = new Map<object, () => Steps<() => void>>();
let current: Steps<() => void> | undefined;
let show: (() => void) | undefined;

const isIdle = () => waiting.size === 0 && !current && !show;

/** What is asked for twice before its turn is done once. */
function later(key: object, task: () => Steps<() => void>): void {
  if (isIdle()) requestAnimationFrame(frame);
  waiting.set(key, task);
}

/** Works on one thing, or shows one: drawing takes a frame of its own. */
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
  const end = performance.now() + BUDGET_MS;
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

/** What `compute` gives: made anew, a little in each frame, when `inputs`, which reads signals, changed. */
export function useLater<T>(inputs: () => void, compute: () => Steps<T>): ReadonlySignal<T | undefined> {
  const result = useSignal<T | undefined>(undefined);
  useEffect(() => {
    const key = {};
    const stop = effect(() => {
      inputs();
      later(key, function* () {
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
