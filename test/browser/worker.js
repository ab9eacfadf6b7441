// A dedicated worker that runs what worker-page.js sends.
import { evaluate } from "./evaluate.js";

self.addEventListener("message", async ({ data: { id, code } }) => {
  try {
    self.postMessage({ id, result: await evaluate(code) });
  } catch (error) {
    self.postMessage({ id, problem: String(error) });
  }
});
