// Runs what the tests send: the body of an async function, which sees what stands here.
import { platform } from "#platform";
import * as run from "./run-program.js";

const AsyncFunction = (async () => {}).constructor;

export function evaluate(code) {
  return new AsyncFunction("platform", "run", code)(platform, run);
}
