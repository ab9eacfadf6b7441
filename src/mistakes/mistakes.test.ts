import { expect, test } from "vitest";
import { fixturePath, largest, loadFixture, maxDifference } from "../../test/fixtures.ts";
import { GPT2 } from "../api/gpt2.ts";
import { traceStep } from "../verify/trace.ts";
import { expectedOf } from "../verify/trace-file.ts";
import type { Numbers, Operand } from "./operation.ts";
import { attemptsAt, isStudied } from "./table.ts";

test("each operation gives the reference's tensor from its operands, and each mistake gives another somewhere", async () => {
  const fixture = await loadFixture("gpt2_tiny");
  const model = await GPT2.load(fixturePath("gpt2_tiny.bin"), { backend: "reference" });
  const update = { learningRate: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.1, gradClip: 0 };
  const seen = new Set<string>();
  const silent = new Map<string, boolean>();
  await traceStep(model.backend, model.parameters, fixture, update, async (trace) => {
    const expected = expectedOf(trace);
    for (const { name, operation = "", output = "", inputs = {} } of trace.tensors) {
      if (!isStudied(operation)) continue;
      seen.add(operation);
      const operands: Record<string, Operand> = {};
      for (const [role, operand] of Object.entries(inputs)) operands[role] = await expected.read(operand);
      const decays = (inputs.param ?? "").match(/(wte|wpe|qkvw|projw|fcw)$/) !== null;
      const numbers: Numbers = { ...model.config, adamw: { ...update, decays, gradScale: 0.5, step: 1 } };
      // The trace's own update does not clip.
      const own = { ...numbers, adamw: { ...numbers.adamw, gradScale: 1 } };
      const right = (await expected.read(name)).data;
      const scale = Math.max(1e-30, largest(Float32Array.from(right)));
      const found = attemptsAt(operation, operands, own)[0].compute()[output];
      expect([name, maxDifference(Float32Array.from(found), Float32Array.from(right)) < 3e-6 * scale]).toEqual([
        name,
        true,
      ]);

      const [base, ...mistakes] = attemptsAt(operation, operands, numbers);
      const usual = base.compute()[output];
      for (const { what = "", compute } of mistakes) {
        const wrong = compute()[output];
        const differs = wrong.some((value, i) => !(Math.abs(value - usual[i]) <= 1e-9 * scale));
        silent.set(`${operation}: ${what}`, (silent.get(`${operation}: ${what}`) ?? true) && !differs);
      }
    }
  });
  await model.dispose();
  expect(seen.size).toBe(16);
  expect([...silent].filter(([, isSilent]) => isSilent).map(([what]) => what)).toEqual([]);
});
