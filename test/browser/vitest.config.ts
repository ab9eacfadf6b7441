import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

/** The tests that need a real browser: `npm run test:browser`. They run on what `npm run build` has built. */
export default defineConfig({
  test: {
    root: fileURLToPath(new URL("../..", import.meta.url)),
    include: ["test/browser/**/*.test.ts"],
    pool: "forks",
    // On two cores one at a time would be the default: but a page waits for much of its time.
    maxWorkers: 2,
    testTimeout: 300_000,
    hookTimeout: 120_000,
    // As in vitest.config.ts.
    expect: { poll: { timeout: 30_000 } },
  },
});
