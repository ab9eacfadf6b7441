/** Milliseconds that a long computation may block the event loop. */
const TURN_MS = 20;

/**
 * Time slicing for long computations on the calling thread: returns a function to await between their parts. Most calls
 * do nothing; after TURN_MS it yields to the event loop, so that signals, timers and redraws are handled.
 */
export function takeTurns(): () => Promise<void> {
  let start = performance.now();
  return async () => {
    if (performance.now() - start < TURN_MS) return;
    await new Promise((resolve) => setTimeout(resolve, 0));
    start = performance.now();
  };
}
