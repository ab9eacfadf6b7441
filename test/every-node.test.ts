/** The built program on each Node of this machine: PyTorch's numbers, the small model, and the same bits everywhere. */
import { execFileSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { cli, nodePrograms, root, sayMissing } from "./nodes.ts";

const programs = nodePrograms();
sayMissing(programs);

const results = new Map<string, string>();

describe.each(programs)("Node $version", ({ path, version }) => {
  function run(...args: string[]): string {
    if (!existsSync(cli)) throw new Error("There is no dist/. Run `npm run build` first, or all with `npm test`.");
    return execFileSync(path, [cli, ...args], { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  }

  test.each(["gpt2_tiny", "gpt2_odd"])("verifies %s against PyTorch's numbers", (name) => {
    const files = ["--model", `test/fixtures/${name}.bin`, "--state", `test/fixtures/${name}_debug_state.bin`];
    const output = run("verify", ...files, "--threads", "2", "--json");
    expect(JSON.parse(output).okay).toBe(true);
    remember(version, output);
  });

  test("trains the small model on the bundled text", () => {
    const lines = run("train", "--model", "baby", "-x", "4", "-v", "0", "-g", "8", "--threads", "2", "--json");
    const events = lines
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(events.at(-1).event).toBe("done");
    remember(version, JSON.stringify(events.map(({ event, step, loss, text }) => ({ event, step, loss, text }))));
  });
});

function remember(version: string, output: string): void {
  results.set(version, (results.get(version) ?? "") + output);
}

test.skipIf(programs.length === 1)("every Node gives the same bits", () => {
  expect(results.size).toBe(programs.length);
  expect(new Set(results.values()).size).toBe(1);
});

// npm marks it once, when it first links the command; each build rewrites the file.
test.skipIf(process.platform === "win32")("the command is executable after every build", () => {
  expect(statSync(cli).mode & 0o111).toBe(0o111);
});
