// Runs the code of the tests: the body of an async function, with this module's names in scope.
import { platform } from "#platform";
import * as run from "./run-program.js";

const AsyncFunction = (async () => {}).constructor;

export function evaluate(code) {
  return new AsyncFunction("platform", "run", code)(platform, run);
}
