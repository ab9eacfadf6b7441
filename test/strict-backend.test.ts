// The whole graph under a GPU's limits: operands aligned to 256 bytes, results alone in their buffer, and buffers so small
// that the layers of a tensor are in several. The operations are the reference's, and so is every bit.
import { expect, test } from "vitest";
import { GPT2 } from "../src/api/gpt2.ts";
import { ReferenceBackend } from "../src/backend/reference/reference.ts";
import { MemoryError } from "../src/errors.ts";
import { makeConfig } from "../src/model/config.ts";
import { requireMemory } from "../src/model/memory.ts";
import { everything } from "./everything.ts";

const config = makeConfig({ maxT: 10, V: 50, L: 5, NH: 2, C: 16 });

/** The largest tensor of it all: the logits of two sequences of 9 tokens. */
const buffer = 2 * 9 * 128 * 4;

test("training, generating and scoring keep to the contract, in many buffers as in one", async () => {
  const strict = new ReferenceBackend({ alignment: 256, buffer });
  const { weights } = (await GPT2.create(config, { backend: strict })).parameters;
  const blocks = weights.entries.filter(({ parameter }) => parameter.name === "fcw").map(({ tensor }) => tensor);
  expect(blocks.map(({ size }) => size)).toEqual([2 * 64 * 16, 2 * 64 * 16, 64 * 16]);
  expect(await everything(strict, config)).toEqual(await everything(new ReferenceBackend(), config));
});

test("a model whose largest tensor no buffer can hold is refused before anything is allocated", () => {
  const plan = { optimizer: true, train: { B: 2, T: 9 } };
  requireMemory(new ReferenceBackend({ alignment: 256, buffer }), config, plan);
  const refused = (bytes: number) => () =>
    requireMemory(new ReferenceBackend({ alignment: 256, buffer: bytes }), config, plan);
  expect(refused(buffer - 4)).toThrow(MemoryError);
  expect(refused(buffer - 4)).toThrow(/in one piece, and a buffer of the reference backend can hold .* smaller batch/);
  expect(refused(128 * 16 * 4 - 4)).toThrow(/parameters alone take .* choose a smaller model/);
});
