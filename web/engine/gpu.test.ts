/** The engine's choice between processors, in Node: on the software adapter of the other tests. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { platform } from "#platform";
import type { BackendEntry } from "../../src/backend/entry.ts";
import { backends } from "../../src/backend/registry.ts";
import { describeGpu } from "../../test/gpu.ts";
import { messageIn } from "../store/messages.ts";
import { StudioEngine } from "./engine.ts";
import type { Activity, EngineOptions, EngineUpdate, RunState, TrainChoice } from "./protocol.ts";

const folder = mkdtempSync(join(tmpdir(), "llm-ts-engine-gpu-"));
vi.stubEnv("LLM_TS_CACHE", join(folder, "cache"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const engines: StudioEngine[] = [];
afterEach(async () => {
  for (const engine of engines.splice(0)) await engine.dispose();
});

const tiny: TrainChoice = {
  model: { kind: "custom", L: 1, NH: 2, C: 16 },
  ...{ batch: 4, block: 16, steps: 10, learningRate: 1e-2, schedule: "constant", warmupSteps: 0 },
  ...{ valEvery: 5, valBatches: 2, finalValBatches: 2, sampleEvery: 0 },
};
const endless: TrainChoice = { ...tiny, steps: 1_000_000, valEvery: 0 };
const text = Array.from({ length: 400 }, (_, i) => `line ${i} of a text, with ${i * i} words\n`).join("");

/** An engine with its files under `name` and the text prepared, and all that it says. */
async function open(name: string, options: EngineOptions = {}) {
  const engine = new StudioEngine(join(folder, name));
  engines.push(engine);
  await engine.configure({ threads: 1, ...options });
  const said = {
    losses: [] as number[],
    remarks: [] as string[],
    state: undefined as RunState | undefined,
    activity: undefined as Activity | null | undefined,
  };
  const add = ({ events, remarks, state, activity }: EngineUpdate) => {
    for (const event of events) if (event.type === "step" || event.type === "val") said.losses.push(event.loss);
    said.remarks.push(...remarks);
    if (state) said.state = state;
    if (activity !== undefined) said.activity = activity;
  };
  add(await engine.subscribe(add));
  await engine.prepare({ kind: "text", text, tokenizer: "char" });
  const until = (phase: string) => vi.waitUntil(() => said.state?.phase === phase, { timeout: 60_000 });
  return { engine, said, until };
}

/** Devices that were opened, to be lost; the next one is lost as soon as it is open, if `losesNext`. */
const devices: GPUDevice[] = [];
let losesNext = false;

async function watchDevices(): Promise<void> {
  const gpu = (await platform.gpu.open()) as GPU;
  const { requestAdapter } = gpu;
  gpu.requestAdapter = async (...options) => {
    const adapter = await requestAdapter.apply(gpu, options);
    const requestDevice = adapter?.requestDevice;
    if (adapter && requestDevice)
      adapter.requestDevice = async (...descriptor) => {
        const device = await requestDevice.apply(adapter, descriptor);
        devices.push(device);
        if (losesNext) setTimeout(() => device.destroy());
        losesNext = false;
        return device;
      };
    return adapter;
  };
}

/** A message in both languages of the page, without anything that only the command has. */
function shown(message: string): string[] {
  const [en, zh] = [messageIn("en", message) ?? message, messageIn("zh", message) ?? message];
  expect(zh).toMatch(/\p{Script=Han}{4}/u);
  for (const one of [en, zh]) expect(one).not.toMatch(/--\w|llm-ts |LLM_TS|undefined/);
  return [en, zh];
}

describeGpu("with a GPU", { timeout: 180_000 }, () => {
  beforeAll(watchDevices);

  test("a run on the GPU has the CPU's losses, and its model moves there and back", async () => {
    const cpu = await open("cpu", { backend: "wasm" });
    await cpu.engine.start(tiny);
    await cpu.until("done");
    const { engine, said, until } = await open("gpu", { backend: "webgpu" });
    expect(await engine.device()).toMatchObject({ processor: "GPU", choice: "webgpu" });
    expect(await engine.start(tiny)).toMatchObject({ backend: "webgpu" });
    await until("done");
    expect(said.losses.length).toBeGreaterThan(10);
    expect(said.losses).toHaveLength(cpu.said.losses.length);
    for (const [i, loss] of said.losses.entries()) expect(Math.abs(loss - cpu.said.losses[i])).toBeLessThan(1e-4);

    const write = () => engine.write("line", { maxTokens: 20, temperature: 0 }, () => {});
    const onGpu = await write();
    const exported = async () => Buffer.from(await (await engine.export("bin"))[0].arrayBuffer());
    const before = await exported();
    const { inspection } = await engine.look("line", () => {});
    expect(inspection.tokens).toHaveLength(4);
    const long = engine.write("line", { maxTokens: 1e6 }, () => {});
    expect(await engine.choose("wasm")).toMatchObject({ processor: "CPU", choice: "wasm" });
    expect(await long).toMatchObject({ reason: "interrupted" });
    expect(await write()).toMatchObject({ text: onGpu.text });
    expect(await exported()).toEqual(before);
    await engine.choose("webgpu");
    expect(await write()).toMatchObject({ text: onGpu.text });
    // Its record says where it computed.
    const [run] = await engine.stored();
    expect(run).toMatchObject({ backend: "webgpu", canResume: false });
    const { given } = JSON.parse(readFileSync(join(folder, "gpu", "runs", run.folder, "config.json"), "utf8"));
    expect(given).toMatchObject({ backend: "webgpu" });
  });

  test("auto times an update on both, says so, takes the faster, and remembers it for the shape", async () => {
    const { engine, until } = await open("auto");
    expect((await engine.estimate(tiny)).timing).toBeUndefined();
    const { backend, timing } = await engine.start(tiny);
    await until("done");
    expect(timing).toMatchObject({ fastest: backend, isRemembered: false });
    expect(timing?.steps.map(({ backend }) => backend)).toEqual(["wasm", "webgpu"]);
    const ms = timing?.steps.map(({ ms = Number.NaN }) => ms) ?? [];
    expect(Math.min(...ms)).toBeGreaterThan(0);
    expect(ms[backend === "wasm" ? 0 : 1]).toBe(Math.min(...ms));
    const estimate = await engine.estimate(tiny);
    expect(estimate.timing).toMatchObject({ fastest: backend, isRemembered: true });
    expect(estimate.msPerStep / Math.min(...ms)).toBeCloseTo(1, 2);
    expect((await engine.estimate({ ...tiny, batch: 5 })).timing).toBeUndefined();

    const opened = devices.length;
    const again = await open("auto again");
    expect((await again.engine.start(tiny)).timing).toMatchObject({ fastest: backend, isRemembered: true });
    await again.until("done");
    if (backend === "wasm") expect(devices).toHaveLength(opened);
  });

  test("a backend that cannot make the update is left out, with the reason", async () => {
    const { engine, until } = await open("left out");
    losesNext = true;
    const { backend, timing } = await engine.start({ ...tiny, batch: 3 });
    await until("done");
    expect(backend).toBe("wasm");
    expect(timing?.steps).toEqual([
      { backend: "wasm", ms: expect.any(Number) },
      { backend: "webgpu", problem: expect.stringMatching(/was lost/) },
    ]);
  });

  test("a lost GPU ends the run with what to do, and its checkpoint resumes on the CPU, the change said", async () => {
    const { engine, said, until } = await open("lost", { backend: "webgpu" });
    const { name } = await engine.start(endless);
    await vi.waitUntil(() => said.losses.length > 3, { timeout: 60_000 });
    await engine.saveSoon();
    await vi.waitUntil(async () => (await engine.stored())[0].checkpoint !== undefined, { timeout: 60_000 });
    devices.at(-1)?.destroy();
    await until("failed");
    expect(said.state).toMatchObject({ isBug: false, run: { name, backend: "webgpu" } });
    const message = said.state?.phase === "failed" ? said.state.message : "";
    expect(shown(message)[0]).toMatch(
      /was lost: .* Saved files are intact: resume from the last checkpoint\..* the CPU/,
    );
    const [run] = await engine.stored();
    expect(run).toMatchObject({ canResume: true, backend: "webgpu" });
    const { from, backend } = await engine.resumeRun(name, "wasm");
    expect({ from, backend }).toEqual({ from: run.checkpoint, backend: "wasm" });
    await vi.waitUntil(() => said.remarks.length > 0, { timeout: 60_000 });
    const change = said.remarks.find((remark) => remark.startsWith("the run computed with the webgpu backend"));
    expect(shown(change ?? "")[0]).toMatch(/resumes with wasm/);
    await engine.stop();
    expect((await engine.stored())[0]).toMatchObject({ backend: "wasm" });
    // The next run is on a GPU again, as chosen.
    expect(await engine.start(tiny)).toMatchObject({ backend: "webgpu" });
    await until("done");
  });

  test("a chosen backend that cannot start gives way to the CPU, and a remark says why", async () => {
    losesNext = true;
    const { engine, said } = await open("cannot start", { backend: "webgpu" });
    expect(await engine.device()).toMatchObject({ choice: "auto", processor: "CPU" });
    await vi.waitUntil(() => said.remarks.length > 0);
    expect(shown(said.remarks[0])[0]).toMatch(/webgpu backend is not available here: .* was lost/);
  });

  test("the part of a first start that is under way is an activity", async () => {
    const { engine, said } = await open("first start", { backend: "webgpu" });
    const part = { name: "forward, small", number: 3, of: 11 };
    const entry = backends.find(({ name }) => name === "webgpu") as BackendEntry;
    const { create } = entry;
    // A software adapter is not timed.
    const starting = vi.spyOn(entry, "create").mockImplementation(async (options) => {
      options.onStart?.("choosing GPU kernels", 2 / 11, part);
      await vi.waitUntil(() => said.activity);
      return create(options);
    });
    try {
      const device = engine.device();
      await vi.waitUntil(() => said.activity?.part);
      expect(said.activity).toEqual({ what: "starting", share: 2 / 11, part });
      expect(await device).toMatchObject({ choice: "webgpu", processor: "GPU" });
      await vi.waitUntil(() => said.activity === null);
    } finally {
      starting.mockRestore();
    }
  });

  test("a software adapter is refused unless named: the CPU computes, and a remark says why", async () => {
    vi.stubEnv("LLM_TS_FALLBACK_ADAPTER", "0");
    try {
      const { engine, said } = await open("refused", { backend: "webgpu" });
      const { choice, processor, backends } = await engine.device();
      expect({ choice, processor }).toEqual({ choice: "auto", processor: "CPU" });
      const [, gpu] = backends;
      expect(gpu).toMatchObject({ name: "webgpu", available: false });
      expect(shown(gpu.reason ?? "")[0]).toMatch(/add \?fallback-adapter to the address/);
      await vi.waitUntil(() => said.remarks.length > 0);
      expect(shown(said.remarks[0])[0]).toMatch(/webgpu backend is not available here: .* wasm computes instead/);
      await expect(engine.choose("webgpu")).rejects.toThrow(/The backend webgpu is not available here/);
      expect(await engine.device()).toMatchObject({ choice: "auto", processor: "CPU" });
      const named = await open("named", { fallbackAdapter: true });
      expect((await named.engine.device()).backends[1]).toMatchObject({ name: "webgpu", available: true });
    } finally {
      vi.stubEnv("LLM_TS_FALLBACK_ADAPTER", "1");
    }
  });
});
