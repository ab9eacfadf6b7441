import { UsageError } from "../../errors.ts";
import { precisions, weightTypes } from "../backend.ts";
import type { BackendEntry } from "../entry.ts";

/** Plain TypeScript: slow, everywhere. */
export const reference = {
  name: "reference",
  kernels: [],
  precisions,
  weightTypes,
  available: async () => true,
  async create({ kernel = "auto" }) {
    if (kernel !== "auto")
      throw new UsageError(`The reference backend has no kernels to choose from: leave ${kernel} out.`);
    const { createReferenceBackend } = await import("./reference.ts");
    return createReferenceBackend();
  },
} as const satisfies BackendEntry;
