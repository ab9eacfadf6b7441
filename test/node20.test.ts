/** A smoke test of what was built, on each Node of this machine: the fixture's loss, and the same bits everywhere. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { cli, nodePrograms, root, sayIfAlone } from "./nodes.ts";

const programs = nodePrograms();
sayIfAlone(programs);

const results = new Map<string, string>();

describe.each(programs)("Node $version", ({ path, version }) => {
  test("verifies a model against PyTorch's numbers", () => {
    if (!existsSync(cli)) throw new Error("There is no dist/. Run `npm run build` first, or all with `npm test`.");
    const model = ["--model", "test/fixtures/gpt2_tiny.bin", "--state", "test/fixtures/gpt2_tiny_debug_state.bin"];
    const args = [cli, "verify", ...model, "--threads", "2", "--json"];
    const output = execFileSync(path, args, { cwd: root, encoding: "utf8" });
    expect(JSON.parse(output).okay).toBe(true);
    results.set(version, output);
  });
});

test.skipIf(programs.length === 1)("every Node gives the same bits", () => {
  expect(results.size).toBe(programs.length);
  expect(new Set(results.values()).size).toBe(1);
});
