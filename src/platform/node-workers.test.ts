import { cachedDataVersionTag } from "node:v8";
import { expect, test } from "vitest";
import { compile, loadKernels, problemOfWide } from "./node-workers.ts";

test("V8's flags are after compiling what they were before", async () => {
  const bytes = await loadKernels("relaxed");
  // It changes with every flag that has a part in compiling.
  const before = cachedDataVersionTag();
  for (const wide of problemOfWide() === undefined ? [true, false] : [false]) {
    const compiling = compile(bytes, wide);
    expect(cachedDataVersionTag()).toBe(before);
    expect(await compiling).toBeInstanceOf(WebAssembly.Module);
  }
  await expect(compile(bytes.slice(0, 100), false)).rejects.toThrow(WebAssembly.CompileError);
  expect(cachedDataVersionTag()).toBe(before);
});
