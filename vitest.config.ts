import { defineConfig } from "vitest/config";

export default defineConfig({
  // "source" makes `#platform` mean src/platform/node.ts, so that tests run on the sources.
  resolve: { conditions: ["source"] },
  ssr: { resolve: { conditions: ["source"] } },
  test: {
    include: ["src/**/*.test.ts", "web/**/*.test.ts", "test/**/*.test.ts"],
    // They need a browser: npm run test:browser.
    exclude: ["test/browser/**"],
    pool: "forks",
    // Two test files at a time at most: each may start its own worker threads.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Long enough for a busy machine; a poll ends as soon as it succeeds.
    expect: { poll: { timeout: 30_000 } },
  },
});
