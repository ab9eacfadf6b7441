import { expose } from "comlink";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { InputError } from "../../src/errors.ts";
import { engine } from "./client.ts";
import type { Engine, EngineUpdate } from "./protocol.ts";

const { port1: page, port2: worker } = new MessageChannel();
let cancelled = Promise.withResolvers<void>();
let emit: (update: EngineUpdate) => void = () => {};

/** The part of an engine that the tests call. */
const fake: Partial<Engine> = {
  configure: async () => {},
  detail: async (name) => Promise.reject(new InputError(`There is no run ${name}.`)),
  deleteRun: async () => {},
  columns: async (name) => new TextEncoder().encode(name).buffer as ArrayBuffer,
  subscribe: async (listener) => {
    emit = listener;
    return { events: [], remarks: [], data: null };
  },
  prepare: async () => cancelled.promise.then(() => Promise.reject(new DOMException("cancelled", "AbortError"))),
  cancelPrepare: async () => cancelled.resolve(),
};

beforeAll(() => {
  vi.stubGlobal("location", { search: "" });
  vi.stubGlobal("document", { addEventListener: () => {} });
  vi.stubGlobal("Worker", function Worker() {
    return page;
  });
  expose(fake, worker as unknown as Parameters<typeof expose>[1]);
});
afterAll(() => {
  page.close();
  worker.close();
  vi.unstubAllGlobals();
});

test("methods of the engine are forwarded with their arguments and results", async () => {
  expect(new TextDecoder().decode(await engine.columns("baby-001"))).toBe("baby-001");
  expect(await engine.deleteRun("baby-001")).toBeUndefined();
});

test("errors arrive as the classes that were thrown", async () => {
  await expect(engine.detail("baby-009")).rejects.toThrow(new InputError("There is no run baby-009."));
  await expect(engine.detail("baby-009")).rejects.toBeInstanceOf(InputError);
});

test("aborting cancels the call in the worker, which rejects with an AbortError", async () => {
  cancelled = Promise.withResolvers();
  const controller = new AbortController();
  const prepared = engine.prepare({ kind: "shakespeare", tokenizer: "char" }, controller.signal);
  controller.abort();
  await expect(prepared).rejects.toMatchObject({ name: "AbortError" });
  await expect(engine.prepare({ kind: "shakespeare", tokenizer: "char" }, AbortSignal.abort())).rejects.toMatchObject({
    name: "AbortError",
  });
});

test("every listener gets every update; a later one begins with the state that the updates amount to", async () => {
  const [first, second] = [vi.fn(), vi.fn()];
  expect(await engine.subscribe(first)).toMatchObject({ data: null });
  emit({ events: [], remarks: ["full"], activity: { what: "saving" } });
  await vi.waitFor(() => expect(first).toHaveBeenCalledOnce());
  expect(await engine.subscribe(second)).toEqual({ events: [], remarks: [], data: null, activity: { what: "saving" } });
  engine.unsubscribe(first);
  emit({ events: [], remarks: [], activity: null });
  await vi.waitFor(() => expect(second).toHaveBeenCalledOnce());
  expect(first).toHaveBeenCalledOnce();
});

test("the client is no promise: an async function may return it", async () => {
  expect(await (async () => engine)()).toBe(engine);
});
