/** How long a long computation may keep the event loop waiting. */
const TURN_MS = 20;

/**
 * For long computations on the calling thread: a function to await between their parts. Most calls do nothing; once
 * the computation has had its share of time, signals, timers and redraws get theirs.
 */
export function takeTurns(): () => Promise<void> {
  let start = performance.now();
  return async () => {
    if (performance.now() - start < TURN_MS) return;
    await new Promise((resolve) => setTimeout(resolve, 0));
    start = performance.now();
  };
}
