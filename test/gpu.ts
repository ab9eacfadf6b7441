/**
 * WebGPU in tests: Chromium's SwiftShader, a Vulkan driver that is software, unless VK_DRIVER_FILES names another one or the
 * system is none with Vulkan. Where there is no adapter, its tests are skipped, except with CI set: there it has to be.
 */
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, describe } from "vitest";
import { findAdapter, type Limits, openAdapter } from "../src/backend/webgpu/adapter.ts";
import { WebGpuBackend } from "../src/backend/webgpu/backend.ts";
import type { TileName } from "../src/backend/webgpu/tile-names.ts";

const folders = [
  dirname(process.env.CHROMIUM_PATH ?? ""),
  "/usr/lib/chromium",
  "/usr/lib64/chromium-browser",
  "/opt/google/chrome",
];
const driver = folders.map((folder) => join(folder, "vk_swiftshader_icd.json")).find(existsSync);

/** Environment variables of a program for the software adapter. */
export const gpuEnvironment: Readonly<Record<string, string>> = {
  LLM_TS_FALLBACK_ADAPTER: "1",
  XDG_RUNTIME_DIR: process.env.XDG_RUNTIME_DIR ?? tmpdir(), // without one, a layer of Mesa's complains on stderr
  ...(process.platform === "linux" && driver && { VK_DRIVER_FILES: process.env.VK_DRIVER_FILES ?? driver }),
};
Object.assign(process.env, gpuEnvironment);

const adapter = await findAdapter();
/** Reason for a missing adapter; undefined if there is one. */
export const problemOfGpu = typeof adapter === "string" ? adapter : undefined;
if (problemOfGpu && process.env.CI)
  throw new Error(
    `No WebGPU to test with: ${problemOfGpu}. SwiftShader comes with Chromium (Debian: chromium, libvulkan1).`,
  );
if (problemOfGpu) console.info(`webgpu is not tested: ${problemOfGpu}`);

/** `describe`, where there is an adapter. */
export const describeGpu = describe.skipIf(problemOfGpu !== undefined);

const opened: WebGpuBackend[] = [];
afterAll(() => Promise.all(opened.map((backend) => backend.dispose())));

/**
 * A backend without the check at its start, which takes seconds where drivers compile slowly. `limits` lowers the
 * adapter's. Disposed of after all tests.
 */
export async function openGpu(tile?: TileName, limits: Partial<Limits> = {}): Promise<WebGpuBackend> {
  const adapter = await openAdapter({}, tile);
  const backend = new WebGpuBackend({ ...adapter, limits: { ...adapter.limits, ...limits } }, tile);
  opened.push(backend);
  return backend;
}
