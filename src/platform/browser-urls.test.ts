import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startServer, type TestServer } from "../../test/browser/server.ts";
import { InputError } from "../errors.ts";
import { openSource, openStream } from "./browser-urls.ts";

const folder = mkdtempSync(join(tmpdir(), "llm-ts-browser-"));
const bytes = (text: string) => new TextEncoder().encode(text);
let ranges: TestServer;
let whole: TestServer;

beforeAll(async () => {
  writeFileSync(join(folder, "a.txt"), "hello world");
  writeFileSync(join(folder, "empty"), "");
  ranges = await startServer({ root: folder, isolated: false });
  whole = await startServer({ root: folder, isolated: false, pages: { "/a.txt": "hello world" } });
});
afterAll(async () => {
  await Promise.all([ranges.close(), whole.close()]);
  rmSync(folder, { recursive: true, force: true });
});

test("reads parts of a URL, whether its server sends parts or not, of a Blob and of bytes", async () => {
  const urls = [`${ranges.url}/a.txt`, new URL(`${whole.url}/a.txt`)];
  for (const input of [...urls, new Blob(["hello world"]), bytes("hello world")]) {
    const source = await openSource(input);
    expect(source.size).toBe(11);
    expect(await source.read(6, 5)).toEqual(bytes("world"));
    expect(await source.read(0, 11)).toEqual(bytes("hello world"));
    expect(await source.read(3, 0)).toEqual(new Uint8Array());
    await expect(source.read(6, 6)).rejects.toThrow(InputError);
    await source.close();
  }
});

test("an empty file is a file", async () => {
  const source = await openSource(`${ranges.url}/empty`);
  expect(source.size).toBe(0);
});

test("streams a URL", async () => {
  const stream = await openStream(`${ranges.url}/a.txt`);
  expect(stream.size).toBe(11);
  let text = "";
  for await (const chunk of stream) text += new TextDecoder().decode(chunk);
  expect(text).toBe("hello world");
});

test("says what is wrong with a URL", async () => {
  await expect(openSource(`${ranges.url}/none`)).rejects.toThrow(/answered 404/);
  await expect(openStream(`${ranges.url}/none`)).rejects.toThrow(InputError);
  await expect(openSource("http://127.0.0.1:1/none")).rejects.toThrow(/cannot be fetched/);
});
