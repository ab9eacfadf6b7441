/** A run folder that version 0.1 wrote, read, listed and resumed: see test/fixtures/README.md. */
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeEach, expect, test } from "vitest";
import { readDetails } from "../src/runs/columns.ts";
import { run, testFolder } from "./run-cli.ts";

const folder = testFolder();
const config = () => JSON.parse(readFileSync(join(folder, "run/config.json"), "utf8"));
const edit = (change: (config: Record<string, Record<string, unknown>>) => unknown) =>
  writeFileSync(join(folder, "run/config.json"), JSON.stringify(change(config())));
const resume = (...args: string[]) => run(["train", "-y", "-o", "run", "--force", "--json", ...args], { cwd: folder });

beforeEach(() => {
  rmSync(join(folder, "run"), { recursive: true, force: true });
  cpSync(fileURLToPath(new URL("fixtures/run_v0.1", import.meta.url)), folder, { recursive: true });
});

/** Losses and learning rates of updates 18 to 23, as the program of then computed them, kernel and all. */
const asThen = [
  [3.1400489807128906, 0.0005106253394492435],
  [3.18034029006958, 0.00041982538308116767],
  [3.305166006088257, 0.0003428718204519368],
  [3.36649227142334, 0.0002813312041809334],
  [3.1951382160186768, 0.0002364563237469525],
  [3.27947998046875, 0.0002091607023071606],
];

test("its settings have their names of today", async () => {
  const { config } = await readDetails(join(folder, "run"));
  const today = { learningRate: 0.002, warmupSteps: 2, finalFraction: 0.1, onNotFinite: "skip" };
  expect(config).toMatchObject({ run: today, given: today, continued: [{ set: { steps: 18, learningRate: 0.002 } }] });
  for (const name of ["lr", "warmup", "finalLrFraction", "onNan"])
    for (const settings of [config?.run, config?.given]) expect(settings).not.toHaveProperty(name);
});

test("it is listed, and its curves are drawn", async () => {
  const [listed] = JSON.parse((await run(["runs", "run", "--json"], { cwd: folder })).stdout);
  expect(listed).toMatchObject({
    model: "custom",
    status: "done",
    step: 18,
    steps: 18,
    loss: 3.2704195976257324,
    checkpoint: 18,
  });
  const { stdout, code } = await run(["plot", "run", "--what", "lr", "-o", "-"], { cwd: folder });
  expect(code).toBe(0);
  expect(stdout).toContain("learning rate");
});

test("it resumes to the bit as the program of then did, and is recorded with the names of today", async () => {
  const { stdout, stderr, code } = await resume("-x", "24");
  expect([code, stderr]).toEqual([0, expect.stringContaining("resuming run after 18 updates")]);
  const steps = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))
    .filter(({ event }) => event === "step");
  expect(steps.map(({ loss, lr }) => [loss, lr])).toEqual(asThen);
  expect(config().run).toMatchObject({ steps: 24, learningRate: 0.002, onNotFinite: "skip" });
  expect(config().run).not.toHaveProperty("lr");
  expect(config().continued.map(({ set }: { set: unknown }) => set)).toEqual([
    { steps: 18, learningRate: 0.002 },
    { steps: 24 },
  ]);
  expect((await resume("-x", "30", "-l", "1e-3")).stderr).toContain("resuming run after 24 updates");
});

test("a setting of it that an option changed after its last checkpoint stays changed", async () => {
  const start = { step: 18, changes: ["--lr: 0.002, now 0.001"], set: { lr: 0.001 } };
  edit(({ run, continued, ...others }) => ({
    ...others,
    run: { ...run, lr: 0.001 },
    continued: [...Object.values(continued ?? {}), start],
  }));
  const { stdout, code } = await resume("-x", "24");
  expect(code).toBe(0);
  expect(stdout).toContain('"lr":0.00025531266972462173');
});

test("an edited setting is named as it is in the file", async () => {
  edit(({ run, ...others }) => ({ ...others, run: { ...run, lr: 1 } }));
  const { stderr, code } = await resume("-x", "24");
  expect(stderr).toContain('"run.learningRate" (formerly "lr") is 1, and the checkpoint has 0.002');
  expect(code).toBe(1);
});
