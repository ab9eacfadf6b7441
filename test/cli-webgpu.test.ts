/** A GPU as the command sees it: a run trained, resumed and read on it, and what is said where there is none. */
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { fixturePath } from "./fixtures.ts";
import { gpuEnvironment, problemOfGpu } from "./gpu.ts";
import { run, testFolder, writeTokens } from "./run-cli.ts";

const folder = testFolder();
const model = fixturePath("gpt2_tiny.bin");
const train = ["train", "-e", model, "-i", "train.bin", "-b", "2", "-t", "8", "-v", "0", "-s", "0"];

beforeAll(() => writeTokens(join(folder, "train.bin"), 3000, 101));

const losses = (stdout: string) => [...stdout.matchAll(/train loss (\S+)/g)].map(([, loss]) => Number(loss));

// Each command compiles its kernels, for which a software driver takes seconds.
describe.skipIf(problemOfGpu !== undefined)("with an adapter", { timeout: 240_000 }, () => {
  const there = { cwd: folder, env: gpuEnvironment };

  test("train, resume on the processor and generate: all as the processor alone does", async () => {
    const first = await run([...train, "-x", "3", "-o", "runs/gpu", "--backend", "webgpu"], there);
    expect(first.stderr).not.toMatch(/error/);
    expect(first.code).toBe(0);
    const second = await run(["train", "-o", "runs/gpu", "--resume", "--force", "-x", "5", "--backend", "wasm"], there);
    expect(second.code).toBe(0);
    expect(second.stderr + second.stdout).toContain("computed with the webgpu backend until now");
    const alone = await run([...train, "-x", "5", "-o", "runs/cpu"], there);
    const [found, expected] = [[...losses(first.stdout), ...losses(second.stdout)], losses(alone.stdout)];
    expect(expected).toHaveLength(5);
    expect(found).toHaveLength(5);
    for (const [i, loss] of found.entries()) expect(Math.abs(loss - expected[i])).toBeLessThan(1e-4);
    const write = (...args: string[]) => run(["generate", "--model", model, "-g", "8", ...args], there);
    const [written, wanted] = [await write("--backend", "webgpu"), await write()];
    expect(written.stdout).toBe(wanted.stdout);
    expect(wanted.stdout).toMatch(/\d+ \d+/);
  });

  test("verify holds a model to its debug state", async () => {
    const state = fixturePath("gpt2_tiny_debug_state.bin");
    const { code, stdout, stderr } = await run(
      ["verify", "--model", model, "--state", state, "--backend", "webgpu"],
      there,
    );
    expect(code, stdout + stderr).toBe(0);
  });

  test("info --system lists it", async () => {
    const { stdout } = await run(["info", "--system"], there);
    expect(stdout).toMatch(/^ {2}webgpu +available: .+, buffers of .* MiB.*, \d+ KiB of workgroup memory/m);
  });

  test("a software adapter is refused unless asked for", async () => {
    const env = { ...gpuEnvironment, LLM_TS_FALLBACK_ADAPTER: "" };
    const { code, stderr } = await run([...train, "-x", "1", "--backend", "webgpu"], { cwd: folder, env });
    expect(stderr).toMatch(/^error: The backend webgpu is not available here: there is only .*, software on the CPU/m);
    expect(code).toBe(1);
  });
});

const isInstalled = !problemOfGpu?.includes("npm install webgpu");

test.runIf(process.platform === "linux" && isInstalled)("without a driver, what to install", async () => {
  const env = { VK_DRIVER_FILES: join(folder, "none.json") };
  const { code, stderr } = await run([...train, "-x", "1", "--backend", "webgpu"], { cwd: folder, env });
  expect(stderr).toMatch(
    /^error: The backend webgpu is not available here: .*apt-get install (libvulkan1|mesa-vulkan)/m,
  );
  expect(code).toBe(1);
});
