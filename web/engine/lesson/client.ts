/** The page's side of the Learn view's worker, which starts at the first call. */
import { proxy, type Remote, wrap } from "comlink";
import type { Judgement } from "../../../src/learn/verdict.ts";
import { revive } from "../revive.ts";
import type { Lesson } from "./protocol.ts";

let remote: Remote<Lesson> | undefined;
/** Rejects when the worker fails: calls under way get no answer then. */
let lost: Promise<never>;

async function call<T>(use: (lesson: Remote<Lesson>) => Promise<T>): Promise<T> {
  remote ??= start();
  try {
    return await Promise.race([use(remote), lost]);
  } catch (error) {
    throw revive(error);
  }
}

function start(): Remote<Lesson> {
  const worker = new Worker(new URL("./lesson-worker.ts", import.meta.url), { type: "module" });
  lost = new Promise((_, reject) => {
    worker.addEventListener("error", ({ message }) => {
      reject(new Error(`The worker of this lesson was lost: ${message || "its script could not be loaded"}`));
    });
  });
  lost.catch(() => {});
  return wrap<Lesson>(worker);
}

export const lesson: Lesson = {
  makeOwn: () => call((remote) => remote.makeOwn()),
  open: (...args) => call((remote) => remote.open(...args)),
  step: (text) => call((remote) => remote.step(text)),
  tensor: (name) => call((remote) => remote.tensor(name)),
  asks: (t) => call((remote) => remote.asks(t)),
  train: (text, updates, onUpdate) => call((remote) => remote.train(text, updates, proxy(onUpdate))),
  check: (id, sources) => call<Judgement>(async (remote) => remote.check(id, sources)),
};
