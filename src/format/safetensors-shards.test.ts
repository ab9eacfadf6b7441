import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { hubModel } from "../../test/hub-model.ts";
import { InputError } from "../errors.ts";
import { openSource } from "../platform/node-files.ts";
import { readSafetensorsHeader } from "./safetensors-file.ts";
import { openShards } from "./safetensors-shards.ts";

let folder = "";
const index = () => join(folder, "model.safetensors.index.json");
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "llm-ts-shards-"));
  for (const [name, content] of Object.entries(hubModel({ parts: 3 }))) writeFileSync(join(folder, name), content);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("every tensor has the bytes that it has in one file", async () => {
  const whole = await openSource(Buffer.from(hubModel()["model.safetensors"]));
  const expected = (await readSafetensorsHeader(whole)).tensors;
  const { source, header } = await openShards(index());
  expect([...header.tensors.keys()].sort()).toEqual([...expected.keys()].sort());
  for (const [name, { offset, bytes }] of header.tensors)
    expect(await source.read(offset, bytes), name).toEqual(await whole.read(expected.get(name)?.offset ?? 0, bytes));
  await source.close();
});

test("an index that does not fit its files is refused", async () => {
  const part = (n: number) => `model-0000${n}-of-00003.safetensors`;
  const { weight_map: map } = JSON.parse(String(hubModel({ parts: 3 })["model.safetensors.index.json"]));
  const cases: [object | string, RegExp][] = [
    ["{", /weight_map/],
    [{}, /weight_map/],
    [{ weight_map: {} }, /weight_map/],
    [{ weight_map: { x: 1 } }, /weight_map/],
    [{ weight_map: { x: "../x.safetensors" } }, /weight_map/],
    [{ weight_map: { ...map, more: part(1) } }, /"more" is not in model-00001/],
    [{ weight_map: { ...map, "wte.weight": part(2) } }, /holds the tensor "wte\.weight", which .* in model-00002/],
    [{ weight_map: { "wte.weight": part(1) } }, /which .* has not/],
    [{ weight_map: { ...map, more: "model-4.safetensors" } }, /model-4\.safetensors does not exist/],
  ];
  for (const [content, message] of cases) {
    writeFileSync(index(), typeof content === "string" ? content : JSON.stringify(content));
    const error = await openShards(index()).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(InputError);
    expect(String(error)).toMatch(message);
  }
});
