import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { InputError } from "../errors.ts";
import {
  appendText,
  createSink,
  listFiles,
  listFolder,
  makeFolder,
  makeNewFolder,
  openSource,
  openStream,
  pathKind,
  removeFile,
  renameFile,
} from "./node-files.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "llm-ts-files-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const bytes = (text: string) => new TextEncoder().encode(text);

test("reads a file by path and URL, a Blob and bytes alike", async () => {
  const path = join(folder, "a.txt");
  writeFileSync(path, "hello world");
  for (const input of [path, pathToFileURL(path), new Blob(["hello world"]), bytes("hello world")]) {
    const source = await openSource(input);
    expect(source.size).toBe(11);
    expect(await source.read(6, 5)).toEqual(bytes("world"));
    await expect(source.read(6, 6)).rejects.toThrow(InputError);
    await source.close();
  }
});

test("says what is wrong with a path that cannot be read", async () => {
  await expect(openSource(join(folder, "none"))).rejects.toThrow(/none does not exist/);
  await expect(openSource(folder)).rejects.toThrow(/is a folder/);
  await expect(openStream(folder)).rejects.toThrow(/is a folder/);
  writeFileSync(join(folder, "file"), "");
  await expect(openSource(join(folder, "file", "x"))).rejects.toThrow(/part of the path is a file/);
  for (const address of ["https://example.org/x", new URL("https://example.org/x")])
    await expect(openSource(address)).rejects.toThrow(
      new InputError("https://example.org/x is not on this machine. Download it, and give the path of the file."),
    );
  await expect(openSource("file:///none/x")).rejects.toThrow(
    /^file:\/\/\/none\/x is an address.* without file:\/\/\.$/,
  );
  await expect(openSource(new URL("file:///a%2Fb"))).rejects.toThrow(InputError);
  await expect(makeFolder(join(folder, "file"))).rejects.toThrow(/is a file/);
});

test("a sink appears under its name only when committed", async () => {
  const path = join(folder, "out.bin");
  writeFileSync(path, "old");
  const sink = await createSink(path);
  await sink.write(bytes("....abcdef"));
  await sink.rewrite(0, bytes("new "));
  await sink.truncate(8);
  await sink.write(bytes("!"));
  expect(await sink.readBack(4, 5)).toEqual(bytes("abcd!"));
  expect(readFileSync(path, "utf8")).toBe("old");
  await sink.commit();
  await sink.abort();
  expect(readFileSync(path, "utf8")).toBe("new abcd!");
  expect(readdirSync(folder)).toEqual(["out.bin"]);
});

test("an aborted sink leaves nothing behind", async () => {
  const path = join(folder, "out.bin");
  writeFileSync(path, "old");
  const sink = await createSink(path);
  await sink.write(bytes("new"));
  await sink.abort();
  expect(readFileSync(path, "utf8")).toBe("old");
  expect(readdirSync(folder)).toEqual(["out.bin"]);
});

test("a sink follows symbolic links and refuses folders, devices and missing folders", async () => {
  const path = join(folder, "out.bin");
  writeFileSync(path, "old");
  symlinkSync(path, join(folder, "link"));
  const sink = await createSink(join(folder, "link"));
  await sink.write(bytes("new"));
  await sink.commit();
  expect(readFileSync(path, "utf8")).toBe("new");
  await expect(createSink(folder)).rejects.toThrow(/is a folder/);
  await expect(createSink(join(folder, "none", "x"))).rejects.toThrow(/folder .*none does not exist/);
  await expect(createSink(join(path, "x"))).rejects.toThrow(InputError);
});

test.skipIf(process.platform === "win32")("leaves devices alone", async () => {
  await expect(openSource("/dev/null")).rejects.toThrow(/is a device/);
  await expect(createSink("/dev/null")).rejects.toThrow(/is a device/);
});

test("lists the files that a pattern matches, in order", async () => {
  mkdirSync(join(folder, "a/deep"), { recursive: true });
  for (const name of ["b_2.bin", "b_10.bin", "b_1.bin", "a/c.txt", "a/deep/d.txt", ".hidden", "what?.txt"])
    writeFileSync(join(folder, name), "");
  symlinkSync(folder, join(folder, "a/circle"));
  const list = async (pattern: string) =>
    (await listFiles(`${folder}/${pattern}`)).map((path) => path.slice(folder.length + 1));
  expect(await list("b_*.bin")).toEqual(["b_1.bin", "b_10.bin", "b_2.bin"]);
  expect(await list("b_?.bin")).toEqual(["b_1.bin", "b_2.bin"]);
  expect(await list("*/c.txt")).toEqual(["a/c.txt"]);
  expect(await list("**")).toEqual(["a/c.txt", "a/deep/d.txt", "b_1.bin", "b_10.bin", "b_2.bin", "what?.txt"]);
  expect(await list("**/*.txt")).toEqual(["a/c.txt", "a/deep/d.txt", "what?.txt"]);
  expect(await list("what?.txt")).toEqual(["what?.txt"]);
  expect(await list(".h*")).toEqual([".hidden"]);
  expect(await list("none*")).toEqual([]);
  expect(await list("none/*.bin")).toEqual([]);
  expect(await list("a/../b_1.bin")).toEqual(["a/../b_1.bin"]);
});

test.skipIf(process.platform === "win32").each(["what?", "all*", "[abc]", "**", "a*b?c"])(
  "a folder called %s is no pattern",
  async (name) => {
    const mine = join(folder, name);
    mkdirSync(join(mine, "inner"), { recursive: true });
    for (const other of ["whatx", "allx", "a", "axbyc"]) {
      mkdirSync(join(folder, other), { recursive: true });
      writeFileSync(join(folder, other, "theirs.txt"), "");
    }
    for (const file of ["a.txt", "b.txt", "inner/c.txt"]) writeFileSync(join(mine, file), "");
    expect(await listFiles(`${mine}/*.txt`)).toEqual([`${mine}/a.txt`, `${mine}/b.txt`]);
    expect(await listFiles(`${mine}/a.txt`)).toEqual([`${mine}/a.txt`]);
    expect(await listFiles("**", mine)).toEqual([`${mine}/a.txt`, `${mine}/b.txt`, `${mine}/inner/c.txt`]);
    // Within a folder a pattern is one, even where a file has its very name.
    writeFileSync(join(mine, "*.txt"), "");
    expect(await listFiles("*.txt", mine)).toEqual([`${mine}/*.txt`, `${mine}/a.txt`, `${mine}/b.txt`]);
  },
);

test("files of a folder are listed, renamed and removed; a text is added to", async () => {
  await appendText(join(folder, "b.txt"), "one\n");
  await appendText(join(folder, "b.txt"), "two\n", true);
  await appendText(join(folder, ".hidden"), "");
  mkdirSync(join(folder, "inner"));
  expect(await listFolder(folder)).toEqual([".hidden", "b.txt"]);
  const links = { linked: "b.txt", broken: "gone", circle: "circle", folder: "inner" };
  for (const [name, target] of Object.entries(links)) symlinkSync(join(folder, target), join(folder, name));
  expect(await listFolder(folder)).toEqual([".hidden", "b.txt", "linked"]);
  expect(await listFiles("*", folder)).toEqual([`${folder}/b.txt`, `${folder}/linked`]);
  expect(await pathKind(join(folder, "circle"))).toBeUndefined();
  for (const name of Object.keys(links)) await removeFile(join(folder, name));
  await renameFile(join(folder, "b.txt"), join(folder, ".hidden"));
  expect(readFileSync(join(folder, ".hidden"), "utf8")).toBe("one\ntwo\n");
  await removeFile(join(folder, ".hidden"));
  await removeFile(join(folder, ".hidden"));
  expect(await listFolder(folder)).toEqual([]);
  expect(await listFolder(join(folder, "nowhere"))).toEqual([]);
  await expect(renameFile(join(folder, "gone"), join(folder, "x"))).rejects.toThrow(InputError);
});

test("folders are made with those above them, by two at once as well", async () => {
  const path = join(folder, "a", "b", "c");
  await Promise.all([makeFolder(path), makeFolder(path), makeFolder(`${path}/`)]);
  expect(await makeNewFolder(path)).toBe(false);
  expect(await makeNewFolder(join(folder, "x", "y"))).toBe(true);
  symlinkSync(join(folder, "nowhere"), join(folder, "link"));
  await expect(makeFolder(join(folder, "link", "x"))).rejects.toThrow(/link is a link to a folder that does not exist/);
});

test.runIf(process.platform === "linux")("says where nothing can be made, and does not try for ever", async () => {
  await expect(makeFolder("/proc/x/y")).rejects.toThrow(/^\/proc\/x cannot be made: \/proc takes no new files/);
  await expect(makeNewFolder("/proc/x")).rejects.toThrow(/\/proc takes no new files/);
  await expect(createSink("/proc/x")).rejects.toThrow(/\/proc takes no new files/);
});
