import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { GPT2 } from "../../../src/api/gpt2.ts";
import { sizeOf } from "../../../src/backend/shape.ts";
import { makeConfig } from "../../../src/model/config.ts";
import { charTokenizerOf } from "../../../src/tokenizer/char.ts";
import { fixturePath, largest, maxDifference } from "../../../test/fixtures.ts";
import { messageIn } from "../../store/messages.ts";
import { exportFiles } from "../exports.ts";
import { LessonModels } from "./lesson.ts";
import { mostTokens } from "./protocol.ts";

const text = "First Citizen:\nBefore we proceed";

async function ownLesson(): Promise<LessonModels> {
  const lesson = new LessonModels();
  await lesson.makeOwn();
  return lesson;
}

test("the small model's step has every tensor of a trace, and changes nothing", async () => {
  const lesson = await ownLesson();
  const step = await lesson.step(text);
  expect(step.model).toEqual({ L: 2, NH: 2, C: 16, parameters: expect.any(Number), updates: 0, name: undefined });
  expect(step.texts.join("")).toBe(text);
  expect([step.losses.length, step.cut]).toEqual([text.length - 1, 0]);
  const names = step.tensors.map(({ name }) => name);
  expect(names).toEqual(
    expect.arrayContaining(["encoded", "h.1.att", "d.h.0.qkv", "m.wte", "new.h.1.fcprojw", "norm"]),
  );
  for (const { name, shape, norm } of step.tensors) {
    const values = await lesson.tensor(name);
    expect(values, name).toHaveLength(sizeOf(shape));
    expect(norm, name).toBeCloseTo(Math.hypot(...values), 4);
  }
  expect(step.loss).toBeCloseTo(step.losses.reduce((sum, loss) => sum + loss, 0) / step.losses.length, 5);
  // What is clipped has norm 1; its first moment is a tenth of it.
  expect(step.norm * step.gradScale).toBeLessThan(1.00001);
  const [g, m] = [await lesson.tensor("d.h.0.qkvw"), await lesson.tensor("m.h.0.qkvw")];
  const tenth = g.map((value) => 0.1 * step.gradScale * value);
  expect(maxDifference(m, tenth)).toBeLessThan(1e-6 * largest(tenth));
  expect(await lesson.step(text)).toEqual(step);
});

test("training lowers the loss of the text, and says how far it is", async () => {
  const lesson = await ownLesson();
  const losses: number[] = [];
  await lesson.train(text, 30, (update, loss) => {
    expect(update).toBe(losses.length + 1);
    losses.push(loss);
  });
  expect(losses).toHaveLength(30);
  const step = await lesson.step(text);
  expect(step.model.updates).toBe(30);
  expect(step.loss).toBeLessThan(losses[0] - 0.5);
  const asks = await lesson.asks(4);
  expect(asks.loss).toBeCloseTo(step.losses[4], 5);
});

test("a model of the tab is copied with its tokenizer; a long text is cut", async () => {
  const config = makeConfig({ L: 1, NH: 2, C: 8, maxT: 50, V: 3 });
  const model = await GPT2.create(config, { tokenizer: charTokenizerOf("abc"), backend: "reference" });
  const loaded = { model, name: "mine" };
  const files = (
    await Promise.all((["safetensors", "config", "tokenizer"] as const).map((f) => exportFiles(loaded, f)))
  ).flat();
  const lesson = new LessonModels();
  await lesson.open(files, "mine", 7);
  const step = await lesson.step("abc".repeat(20));
  expect(step.model).toMatchObject({ name: "mine", L: 1, C: 8, updates: 7 });
  expect([step.losses.length, step.cut]).toEqual([mostTokens, 60 - mostTokens - 1]);
  const wte = await model.parameters.weights.read(model.backend, "wte", 0, 24);
  expect((await lesson.tensor("wte")).subarray(0, 24)).toEqual(wte);
});

test("what cannot be taught from is refused, in both languages, and the model before it stays", async () => {
  const lesson = await ownLesson();
  const big = await GPT2.create(makeConfig({ L: 1, NH: 1, C: 400, maxT: 8, V: 4000 }), {
    backend: "reference",
    tokenizer: undefined,
  });
  const bigFiles = (
    await Promise.all((["safetensors", "config"] as const).map((f) => exportFiles({ model: big, name: "big" }, f)))
  ).flat();
  const messages: string[] = [];
  const refused = async (action: Promise<unknown>, message: RegExp) => {
    const error: Error = await action.then(
      () => expect.unreachable(),
      (reason) => reason,
    );
    expect(error.message).toMatch(message);
    messages.push(error.message);
  };
  await refused(lesson.open(bigFiles, "big"), /^big has \d+ parameters, and the lesson computes with 3000000 at most/);
  await refused(lesson.step("a"), /^The text is too short/);
  await refused(lesson.step("日本"), /"日"/);
  expect((await lesson.step(text)).model.name).toBeUndefined();

  const tiny = new File([new Uint8Array(readFileSync(fixturePath("gpt2_tiny.bin")))], "tiny.bin");
  await lesson.open([tiny], "tiny");
  await refused(lesson.step(text), /^This model has no tokenizer/);
  for (const message of messages) expect(messageIn("zh", message), message).toMatch(/[一-鿿]/);
});
