/** Files, sinks and locks in the browser's storage, as its pages and workers see them. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BrowserContext } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { bundleWorkerPage } from "./bundle.ts";
import { launch, launchForbidding, launchWithDisk } from "./page.ts";
import { startServer, type TestServer } from "./server.ts";
import { Tab, type TabWorker } from "./tab.ts";

const folder = mkdtempSync(join(tmpdir(), "llm-ts-storage-"));
let browser: BrowserContext;
let server: TestServer;
let tab: Tab;
let worker: TabWorker;

beforeAll(async () => {
  browser = await launchWithDisk(join(folder, "profile"));
  const bundle = await bundleWorkerPage(join(folder, "page"));
  const html = readFileSync(join(bundle, "index.html"), "utf8");
  server = await startServer({ root: bundle, isolated: true, pages: { "/": html } });
  tab = await Tab.open(browser, server.url);
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  worker = await tab.start();
});
afterEach(async () => {
  await worker.terminate();
  await tab.page.evaluate(
    "navigator.storage.getDirectory().then(async (r) => { for await (const n of r.keys()) await r.removeEntry(n, { recursive: true }); })",
  );
  expect(tab.problems.splice(0)).toEqual([]);
});

/** Shorthands for the code that tests send to the page. */
const helpers = `
  const bytes = (text) => new TextEncoder().encode(text);
  const text = (bytes) => new TextDecoder().decode(bytes);
  const write = async (path, content) => {
    const sink = await platform.createSink(path);
    await sink.write(bytes(content));
    await sink.commit();
  };
  const read = async (path) => {
    const source = await platform.openSource(path);
    return text(await source.read(0, source.size));
  };
`;

const inWorker = <T>(code: string) => worker.call<T>(helpers + code);
const onPage = <T>(code: string) => tab.call<T>(helpers + code);
const everywhere = [
  ["a worker", inWorker],
  ["the page", onPage],
] as const;

test.each(everywhere)("%s: a sink appears under its name only when committed", async (_, call) => {
  const seen = await call(`
    await write("opfs:/out.bin", "old");
    const sink = await platform.createSink("opfs:/out.bin");
    await sink.write(bytes("....abcdef"));
    await sink.rewrite(0, bytes("new "));
    await sink.truncate(8);
    await sink.write(bytes("!"));
    const back = text(await sink.readBack(4, 5));
    const before = await read("opfs:/out.bin");
    await sink.commit();
    await sink.abort();
    return [back, before, await read("opfs:/out.bin"), await platform.listFolder("opfs:/")];`);
  expect(seen).toEqual(["abcd!", "old", "new abcd!", ["out.bin"]]);
});

test.each(everywhere)("%s: an aborted sink leaves nothing behind", async (_, call) => {
  const seen = await call(`
    await write("opfs:/out.bin", "old");
    for (const path of ["opfs:/out.bin", "opfs:/other.bin"]) {
      const sink = await platform.createSink(path);
      await sink.write(bytes("new"));
      await sink.abort();
    }
    return [await read("opfs:/out.bin"), await platform.listFolder("opfs:/")];`);
  expect(seen).toEqual(["old", ["out.bin"]]);
});

test.each(everywhere)("%s: files are listed, added to, renamed and removed", async (_, call) => {
  const seen = await call(`
    await platform.makeFolder("opfs:/a/inner");
    await platform.appendText("opfs:/a/b.txt", "one\\n");
    await platform.appendText("opfs:/a/b.txt", "zwei ä\\n", true);
    await platform.appendText("opfs:/a/.hidden", "");
    const before = await platform.listFolder("opfs:/a/");
    await platform.renameFile("opfs:/a/b.txt", "opfs:/a/.hidden");
    const hidden = await read("opfs:/a/.hidden");
    await platform.removeFile("opfs:/a/.hidden");
    await platform.removeFile("opfs:/a/.hidden");
    await platform.removeFile("opfs:/nowhere/x");
    const kinds = [];
    for (const path of ["opfs:/a", "opfs:/a/inner/", "opfs:/", "opfs:", "opfs:/a/b.txt", "opfs:/x/y"])
      kinds.push(await platform.pathKind(path) ?? "nothing");
    const after = [await platform.listFolder("opfs:/a"), await platform.listFolder("opfs:/nowhere")];
    const emptied = [];
    for (const path of ["opfs:/a", "opfs:/a/inner", "opfs:/nowhere"]) emptied.push(await platform.removeEmptyFolder(path));
    await platform.removeFolder("opfs:/a");
    await platform.removeFolder("opfs:/a");
    return { emptied, before, hidden, kinds, after, end: await platform.pathKind("opfs:/a") ?? "nothing" };`);
  expect(seen).toEqual({
    emptied: [false, true, false],
    before: [".hidden", "b.txt"],
    hidden: "one\nzwei ä\n",
    kinds: ["folder", "folder", "folder", "folder", "nothing", "nothing"],
    after: [[], []],
    end: "nothing",
  });
});

test("an engine whose files cannot be moved replaces them as safely", async () => {
  const seen = await inWorker(`
    delete FileSystemFileHandle.prototype.move;
    await write("opfs:/a.txt", "old");
    await write("opfs:/a.txt", "new");
    await platform.renameFile("opfs:/a.txt", "opfs:/b.txt");
    return [await read("opfs:/b.txt"), await platform.listFolder("opfs:/")];`);
  expect(seen).toEqual(["new", ["b.txt"]]);
});

test("the files that a pattern matches, in order", async () => {
  const list = await inWorker(`
    await platform.makeFolder("opfs:/top/a/deep");
    for (const name of ["b_2.bin", "b_10.bin", "b_1.bin", "a/c.txt", "a/deep/d.txt", ".hidden", "what?.txt"])
      await write("opfs:/top/" + name, "");
    const found = {};
    for (const pattern of ["b_*.bin", "b_?.bin", "*/c.txt", "**", "**/*.txt", "what?.txt", ".h*", "none/*.bin"])
      found[pattern] = await platform.listFiles("opfs:/top/" + pattern);
    return { ...found, url: await platform.listFiles("https://example.org/a.bin") };`);
  const top = (...names: string[]) => names.map((name) => `opfs:/top/${name}`);
  expect(list).toEqual({
    "b_*.bin": top("b_1.bin", "b_10.bin", "b_2.bin"),
    "b_?.bin": top("b_1.bin", "b_2.bin"),
    "*/c.txt": top("a/c.txt"),
    "**": top("a/c.txt", "a/deep/d.txt", "b_1.bin", "b_10.bin", "b_2.bin", "what?.txt"),
    "**/*.txt": top("a/c.txt", "a/deep/d.txt", "what?.txt"),
    "what?.txt": top("what?.txt"),
    ".h*": top(".hidden"),
    "none/*.bin": [],
    url: ["https://example.org/a.bin"],
  });
});

test.each([
  ['platform.openSource("opfs:/none")', /InputError: opfs:\/none does not exist/],
  ['platform.openStream("opfs:/none/x")', /InputError: The folder opfs:\/none does not exist/],
  ['platform.openSource("opfs:/folder")', /InputError: opfs:\/folder is a folder/],
  ['platform.openSource("opfs:/")', /InputError: opfs:\/ is a folder/],
  ['platform.openSource("opfs:/file/x")', /InputError: The folder opfs:\/file does not exist/],
  ['platform.createSink("opfs:/folder")', /InputError: opfs:\/folder is a folder/],
  ['platform.createSink("opfs:/none/x")', /InputError: The folder opfs:\/none does not exist/],
  ['platform.makeFolder("opfs:/file/x")', /InputError: opfs:\/file\/x is a file, or a part of the path is/],
  ['platform.removeFile("opfs:/folder")', /InputError: opfs:\/folder is a folder/],
  ['platform.removeFolder("opfs:/file")', /InputError: opfs:\/file is a file/],
  ['platform.renameFile("opfs:/none", "opfs:/x")', /InputError: opfs:\/none does not exist/],
  ['platform.lockFile("opfs:/none/run.lock")', /InputError: The folder opfs:\/none does not exist/],
  ['platform.openSource("opfs:/../x")', /InputError: opfs:\/\.\.\/x: "\.\." cannot be in a path/],
  ['platform.createSink("opfs:/a/./x")', /InputError: opfs:\/a\/\.\/x: "\." cannot be in a path/],
  ['platform.listFiles("opfs:/../*")', /InputError: opfs:\/\.\.\/\*: "\.\." cannot be in a path/],
  ['platform.removeFolder("opfs:/folder/..")', /InputError: .*"\.\." cannot be in a path/],
  ['platform.createSink("opfs:/a\\\\b")', /InputError: .* cannot be in a path of the browser's storage/],
  ['platform.makeFolder("runs/")', /InputError: runs\/ cannot be used here: .* begin with opfs:\//],
  ['platform.listFiles("*.bin")', /InputError: \*\.bin cannot be used here/],
  ['platform.createSink("model.bin")', /InputError: model\.bin cannot be written: .* begins with opfs:\//],
])("%s says what is wrong", async (code, problem) => {
  await inWorker('await platform.makeFolder("opfs:/folder"); await write("opfs:/file", "content");');
  await expect(inWorker(`await ${code};`)).rejects.toThrow(problem);
  expect(await inWorker('return [await platform.listFolder("opfs:/"), await read("opfs:/file")]')).toEqual([
    ["file"],
    "content",
  ]);
});

test("a log is read while it grows; a source that changed says so", async () => {
  const seen = await inWorker<{ log: string; source: string }>(`
    await platform.appendText("opfs:/log", "a".repeat(3 << 20));
    let log = "";
    for await (const chunk of await platform.openStream("opfs:/log")) {
      log += text(chunk);
      if (log.length < 3 << 20) await platform.appendText("opfs:/log", "b");
    }
    const source = await platform.openSource("opfs:/log");
    await write("opfs:/log", "c");
    return { log, source: await source.read(0, 3 << 20).then(() => "read", String) };`);
  expect(seen.log).toBe(`${"a".repeat(3 << 20)}bb`);
  expect(seen.source).toBe("InputError: opfs:/log was changed while it was read. Read it again.");
});

test("a worker that ends while it writes leaves no half file, and what it leaves goes with the next one", async () => {
  await inWorker(`
    await write("opfs:/model.bin", "old");
    for (const path of ["opfs:/model.bin", "opfs:/new.bin"]) await (await platform.createSink(path)).write(bytes("half"));`);
  const second = await tab.start();
  const call = <T>(code: string) => second.call<T>(helpers + code);
  // A file that is still being written is not treated as a leftover.
  const written = await call<string[]>(`
    await write("opfs:/model.bin", "newer");
    return platform.listFolder("opfs:/");`);
  expect(written.map((name) => name.replace(/[0-9a-f]{8}/, "X"))).toEqual([
    ".model.bin.X.tmp",
    ".new.bin.X.tmp",
    "model.bin",
  ]);
  await worker.terminate();
  expect(
    await call('return [await read("opfs:/model.bin"), await platform.pathKind("opfs:/new.bin") ?? "nothing"]'),
  ).toEqual(["newer", "nothing"]);
  await expect
    .poll(() => call('await write("opfs:/model.bin", "newest"); return platform.listFolder("opfs:/")'))
    .toEqual([expect.stringMatching(/^\.new\.bin/), "model.bin"]);
  await second.terminate();
});

test("a lock is held by one worker until it is released, or the worker ends", async () => {
  const second = await tab.start();
  const take = 'globalThis.lock = await platform.lockFile("opfs:/run.lock"); return lock.takenFrom?.who ?? "nobody"';
  const owner = 'return (await platform.lockOwner("opfs:/run.lock"))?.who ?? "nobody"';
  expect(await worker.call(owner)).toBe("nobody");
  expect(await worker.call(take)).toBe("nobody");
  const refused = /InputError: opfs:\/run\.lock is held by a tab of this browser, since 2.*close that tab/;
  const others = [worker, second, tab].map(async (each) => {
    expect(await each.call(owner)).toBe("a tab of this browser");
    await expect(each.call(take)).rejects.toThrow(refused);
  });
  await Promise.all(others);
  // However the path is written.
  await expect(second.call('await platform.lockFile("opfs://run.lock")')).rejects.toThrow(/is held/);
  await worker.call("await lock.release(); await lock.release();");
  expect(await second.call('return platform.listFolder("opfs:/")')).toEqual([]);
  expect(await second.call(take)).toBe("nobody");
  await second.terminate();
  expect(await worker.call(take)).toBe("a tab of this browser");
  await worker.call("await lock.release();");
});

test("of many that make a new folder at once, one does", async () => {
  const made = await inWorker<boolean[]>(
    'return Promise.all(Array.from({ length: 8 }, () => platform.makeNewFolder("opfs:/runs/one")))',
  );
  expect(made.filter(Boolean)).toHaveLength(1);
});

test("sha256 is everybody's", async () => {
  const hash = await inWorker(
    'const h = await platform.sha256(); h.update(bytes("a")); h.update(bytes("bc")); return h.digest()',
  );
  // FIPS 180-2, appendix B.1.
  expect(hash).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
});

test.each(everywhere)("%s remembers", async (_, call) => {
  const code = `
    const before = (await platform.recall("note")) ?? "nothing";
    await platform.remember("note", "first");
    await platform.remember("note", "second");
    return [before, await platform.recall("note"), await platform.listFiles("opfs:/**")];`;
  expect(await call(code)).toEqual(["nothing", "second", []]);
});

test("full storage is an InputError, and what was there stays", async () => {
  await inWorker('await write("opfs:/model.bin", "old"); await platform.appendText("opfs:/log", "line\\n");');
  const session = await browser.newCDPSession(tab.page);
  await session.send("Storage.overrideQuotaForOrigin", { origin: server.url, quotaSize: 4 << 20 });
  const seen = await inWorker<string[]>(`
    const sink = await platform.createSink("opfs:/model.bin");
    const problem = await sink.write(new Uint8Array(8 << 20)).then(() => "written", String);
    await sink.abort();
    const line = await platform.appendText("opfs:/log", "x".repeat(8 << 20)).then(() => "written", String);
    return [problem, line, await read("opfs:/model.bin"), await read("opfs:/log"), await platform.listFolder("opfs:/")];`);
  const full = expect.stringMatching(/^InputError: opfs:\/\S+: the storage .* is full\. Remove runs or files/);
  expect(seen).toEqual([full, full, "old", "line\n", ["log", "model.bin"]]);
  const onThePage = await onPage(`
    const sink = await platform.createSink("opfs:/other.bin");
    await sink.write(new Uint8Array(8 << 20));
    return [await sink.commit().then(() => "written", String), await platform.listFolder("opfs:/")];`);
  expect(onThePage).toEqual([full, ["log", "model.bin"]]);
  await session.send("Storage.overrideQuotaForOrigin", { origin: server.url });
});

// On disk Chromium throws; in a private window it writes what fits, and returns its error code as the number of bytes.
test.each(["on a disk", "in a private window"])(
  "storage that fills up in the middle of a write, %s: a file is whole or not there, a log holds whole lines",
  async (where) => {
    const isPrivate = where === "in a private window";
    const context = isPrivate ? await (await launch()).newContext() : browser;
    const here = await Tab.open(context, server.url);
    const { call } = await here.start();
    const session = await context.newCDPSession(here.page);
    const { origin } = new URL(server.url);
    const { usage } = await session.send("Storage.getUsageAndQuota", { origin });
    // On a disk it asks for a megabyte at a time.
    await session.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: usage + 1_500_000 });
    const seen = await call<{ lines: number }>(`${helpers}
      await write("opfs:/model.bin", "old");
      const problems = [];
      const sink = await platform.createSink("opfs:/model.bin");
      for (let i = 0; i < 40 && problems.length === 0; i++)
        await sink.write(new Uint8Array(1 << 16)).catch((error) => problems.push(String(error)));
      await sink.abort();
      const line = "x".repeat(6999) + "\\n";
      let lines = 0;
      for (let i = 0; i < 250; i++)
        await platform.appendText("opfs:/log", line).then(() => lines++, (error) => i === 249 && problems.push(String(error)));
      const isWhole = (await read("opfs:/log")) === line.repeat(lines);
      return { problems, model: await read("opfs:/model.bin"), isWhole, lines };`);
    const full = expect.stringMatching(/^InputError: opfs:\/\S+: the storage .* is full\. Remove runs or files/);
    expect(seen).toEqual({ problems: [full, full], model: "old", isWhole: true, lines: expect.any(Number) });
    expect(seen.lines).toBeGreaterThan(50);
    expect(seen.lines).toBeLessThan(250);
    await session.send("Storage.overrideQuotaForOrigin", { origin });
    expect(here.problems).toEqual([]);
    await (isPrivate ? context.browser() : here.page)?.close();
  },
);

test("where the user forbids storage, or the browser has none, that is said", async () => {
  const forbidding = await launchForbidding(join(folder, "forbidding"));
  const other = await Tab.open(forbidding, server.url);
  const denied = await other.start();
  await expect(denied.call('await platform.createSink("opfs:/x")')).rejects.toThrow(
    /InputError: opfs:\/: the browser does not let this page keep files\. Allow it to store data/,
  );
  for (const each of [denied, other])
    expect(
      await each.call('await platform.remember("note", "x"); return (await platform.recall("note")) ?? "nothing"'),
    ).toBe("nothing");
  await forbidding.close();
  await expect(
    inWorker('Object.defineProperty(navigator, "storage", {}); await platform.makeNewFolder("opfs:/x")'),
  ).rejects.toThrow(/InputError: This page cannot keep files: .* neither https:\/\/ nor localhost/);
});
