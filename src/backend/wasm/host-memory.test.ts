import { expect, test } from "vitest";
import { view } from "../backend.ts";
import { createBackend } from "../registry.ts";

test.each([true, false])(
  "hostMemory is a tensor's memory itself, after what was enqueued before; shared: %s",
  async (shared) => {
    const backend = await createBackend("wasm", { threads: shared ? 2 : 1, shared });
    try {
      const tensor = backend.alloc([1000]);
      const part = view(tensor, 100, [3]);
      backend.fill(tensor, 2);
      const memory = await backend.hostMemory?.(part);
      expect([...(memory ?? [])]).toEqual([2, 2, 2]);
      memory?.set([5, 6, 7]);
      expect([...(await backend.read(view(tensor, 99, [5])))]).toEqual([2, 5, 6, 7, 2]);
    } finally {
      await backend.dispose();
    }
  },
);
